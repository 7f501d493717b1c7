"""Virtual machines being made and changed: their two descriptions, devices, steps and undoing."""
