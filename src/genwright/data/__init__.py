"""Any file, folder or frame -> records, and back."""
