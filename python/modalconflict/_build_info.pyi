"""What the compiled modules were built against; written by the build."""

TORCH_VERSION: str
