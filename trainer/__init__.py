"""The room that knows torch: model, data, loop, checkpoints, generation."""
