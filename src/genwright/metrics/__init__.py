"""Metrics, one file per modality, plus distances that tell copying; each function cites its definition."""
