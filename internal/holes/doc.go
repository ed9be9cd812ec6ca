// Package holes tells where a file of this machine has data and where it has holes, which read as zeros and take no space.
package holes
