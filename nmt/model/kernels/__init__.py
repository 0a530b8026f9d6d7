"""Kernels that compute the same as plain operations, faster."""
