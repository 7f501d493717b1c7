"""CIM-XML (DSP0201): messages, values, instances, object paths and declarations. No HTTP in it."""
