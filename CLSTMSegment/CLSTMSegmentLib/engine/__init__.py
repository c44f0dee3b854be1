"""Network, model bundles, frames, tiles, devices and streaming: torch, numpy and SimpleITK only."""
