"""Parameters of methods: embedded instances, their texts, units and properties."""
