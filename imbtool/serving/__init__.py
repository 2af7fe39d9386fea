"""A trained model taken into production: exported to ONNX and checked against its checkpoint."""
