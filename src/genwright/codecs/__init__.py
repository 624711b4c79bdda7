"""User data <-> tensors, one file per modality."""
