// How far a piece of a secret that was found goes on: secrets of one kind begin alike, and a few words are in many texts.

package verify

import (
	"bytes"
	"io"
	"strings"
)

// isLeak says whether a needle at a byte of the disk is the secret's, and not what others have, too.
//
// A piece that is the secret's beginning is none if it is shorter than 128 bytes and not all of the secret. The same holds for the beginning
// of a word inside it, as web tokens and encoded keys begin alike wherever they are. Of what looks written rather than drawn at random it
// takes 128 bytes, in a text of lines or fields 384, of a short secret its half. What is public around a piece does not count.
func (n *needle) isLeak(disk io.ReaderAt, size, at int64) bool {
	if n.whole == nil {
		return true
	}
	before := int(min(int64(min(n.at-n.room.first, windowEvery)), at))
	behind := min(n.room.end-n.at, windowSize+windowEvery)
	around := make([]byte, min(int64(before+behind), size-at+int64(before)))
	if got, _ := disk.ReadAt(around, at-int64(before)); got < len(around) {
		return true // where it was found is told in any case
	}
	first, end := n.at, n.at+windowSize
	for i := before - 1; i >= 0 && around[i] == n.whole[first-1]; i-- {
		first--
	}
	for i := before + windowSize; i < len(around) && around[i] == n.whole[end]; i++ {
		end++
	}
	length, atEnd := end-first, end == len(n.whole)
	switch {
	case first == 0 && length < sameKind && !atEnd && (!n.drawn || end < n.room.end):
		return false
	case !n.drawn && bytes.ContainsAny(n.whole, "\r\n\"'<"): // lines or fields, and files of one kind have some in common
		return length >= min(3*sameKind, len(n.whole)/2)
	case !n.drawn:
		return length >= min(sameKind, len(n.whole)/2) || atEnd && first%windowEvery == 0
	case length >= sameKind, end == n.room.end, isBinary(n.whole), isBlank(n.whole[end-1]), isBlank(n.whole[end]):
		return true
	}
	word := end - 1
	for word >= first && word > 0 && !isBlank(n.whole[word-1]) {
		word--
	}
	if word < first {
		return true // from inside a word
	}
	for at := first; at+windowSize <= word; at++ {
		if looksDrawn(n.whole[at : at+windowSize]) {
			return true
		}
	}
	return false
}

// isBlank says whether a character is between words.
func isBlank(c byte) bool { return strings.IndexByte(" \t\r\n\"'`=,;(){}[]<>", c) >= 0 }
