"""Backbones by kind of data; a model picks one by its `DataSpec`."""
