// Sizes of the page's drawings, in whole numbers: the same on every machine.

package verify

import (
	"math/bits"
	"strconv"
)

// fullWidth is a bar's width, in hundredths of a percent.
const fullWidth = 10000

// share is n of whole parts, as units of width, rounded down.
func share(n, whole uint64, width int) int {
	if whole == 0 {
		return 0
	}
	hi, lo := bits.Mul64(min(n, whole), uint64(width))
	q, _ := bits.Div64(hi, lo, whole)
	return int(q)
}

// layout divides a width among sizes: to scale, but what is not nothing gets least, at the cost of the others. Together they are
// the width, or all of them nothing.
func layout(sizes []uint64, width, least int) []int {
	var all uint64
	some := 0
	for _, s := range sizes {
		if s > 0 {
			some++
		}
		all += s
	}
	widths := make([]int, len(sizes))
	if some == 0 {
		return widths
	}
	least = min(least, width/2/some)
	// Widening one may leave another too narrow, so this goes on until none is.
	narrow := make([]bool, len(sizes))
	rest, left := all, width
	for again := true; again; {
		again = false
		for i, s := range sizes {
			if s > 0 && !narrow[i] && share(s, rest, left) < least {
				narrow[i], again = true, true
				rest, left = rest-s, left-least
			}
		}
	}
	widest, spare := 0, width
	for i, s := range sizes {
		switch {
		case s == 0:
			continue
		case narrow[i]:
			widths[i] = least
		default:
			widths[i] = share(s, rest, left)
		}
		spare -= widths[i]
		if widths[i] > widths[widest] {
			widest = i
		}
	}
	widths[widest] += spare // what rounding down has left
	return widths
}

// percent writes units of width: "12.5%".
func percent(units int) string {
	s := strconv.Itoa(units / 100)
	if r := units % 100; r != 0 {
		s += "." + strconv.Itoa(r/10)
		if r%10 != 0 {
			s += strconv.Itoa(r % 10)
		}
	}
	return s + "%"
}

// inWords is a part of a whole: "12.5 %", and "under 0.1 %" rather than nothing.
func inWords(n, whole uint64) string {
	permille := share(n, whole, 1000)
	switch {
	case n > 0 && permille == 0:
		return "under 0.1 %"
	case permille%10 == 0:
		return strconv.Itoa(permille/10) + " %"
	}
	return strconv.Itoa(permille/10) + "." + strconv.Itoa(permille%10) + " %"
}
