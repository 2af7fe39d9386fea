"""A trained model as an ONNX graph, checked against its checkpoint before it is written."""
