"""What CIM is made of: object paths, records, types and their texts. No I/O."""
