"""Methods, one short file each; none of them knows a study."""
