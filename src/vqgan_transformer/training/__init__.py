"""Training: losses, discriminator."""
