//go:build race

package ext4

// raceDetector multiplies time and memory.
const raceDetector = true
