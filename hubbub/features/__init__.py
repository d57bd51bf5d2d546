"""What the product does: one pure file a feature, listed in `registry`, in the shape of
`contract`."""
