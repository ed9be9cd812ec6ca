package audit

// Functions and types of authors who are still at it.

// H-INODES.

