"""The network CLSTM-UNet4D, its recurrent cells, and its fast inference."""
