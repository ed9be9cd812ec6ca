package audit

// This file folds names as directories with the casefold flag compare them: Unicode 12.1, decomposed (NFD), with full case folding and
// without code points that are ignorable by default. What came into Unicode later is taken as it is.

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// folder folds one name after the other in its own buffers.
type folder struct {
	text  []byte
	marks []mark // combining marks whose order is not settled yet
}

type mark struct {
	r     rune
	class uint8 // canonical combining class
}

// name returns the name folded, until the next call. It says no to a name
// that is not UTF-8 and that e2fsck would not fold. A zero byte ends a name.
func (f *folder) name(name []byte) ([]byte, bool) {
	f.text, f.marks = f.text[:0], f.marks[:0]
	if len(name) > 0 && name[0]&0xC0 == 0x80 { // taken as bytes, not as text
		return name, true
	}
	for len(name) > 0 && name[0] != 0 {
		r, n := utf8.DecodeRune(name)
		switch {
		case r != utf8.RuneError || n != 1:
			f.fold(r)
		case name[0]&0xC0 == 0x80: // e2fsck and the kernel take the inner byte of a character without its first one as it is
			f.settle()
			f.text = append(f.text, name[0])
		default:
			return nil, false
		}
		name = name[n:]
	}
	f.settle()
	return f.text, true
}

// validText says whether a name is UTF-8 as far as a zero byte.
func validText(name []byte) bool {
	for i, b := range name {
		if b == 0 {
			name = name[:i]
			break
		}
	}
	return utf8.Valid(name)
}

// fold appends what a rune folds to.
func (f *folder) fold(r rune) {
	switch {
	case r < utf8.RuneSelf:
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		f.settle()
		f.text = append(f.text, byte(r))
		return
	case in(ignorable, r):
		f.settle()
		return
	case in(newer, r):
		f.put(r, 0)
		return
	case 0xAC00 <= r && r <= 0xD7A3: // Hangul syllables: 21 vowels, 28 final consonants or none
		r -= 0xAC00
		f.put(0x1100+r/(21*28), 0)
		f.put(0x1161+r/28%21, 0)
		if r%28 != 0 {
			f.put(0x11A7+r%28, 0)
		}
		return
	case 0x13A0 <= r && r <= 0x13F5: // Cherokee folds to its capitals, which are older
		f.put(r, 0)
		return
	case 0x13F8 <= r && r <= 0x13FD:
		f.put(r-8, 0)
		return
	case 0xAB70 <= r && r <= 0xABBF:
		f.put(r-0xAB70+0x13A0, 0)
		return
	}
	if s, ok := foldings[r]; ok {
		for _, r := range s {
			f.putDecomposed(r)
		}
		return
	}
	f.putDecomposed(unicode.ToLower(r))
}

// putDecomposed appends a rune in its canonical decomposition.
func (f *folder) putDecomposed(r rune) {
	var raw [utf8.UTFMax]byte
	p := norm.NFD.Properties(raw[:utf8.EncodeRune(raw[:], r)])
	whole := p.Decomposition()
	if whole == nil {
		f.put(r, p.CCC())
		return
	}
	for len(whole) > 0 {
		r, n := utf8.DecodeRune(whole)
		switch r {
		case 0x345: // the iota below folds to a letter
			f.put(0x3B9, 0)
		case 0x17F: // long s
			f.put('s', 0)
		default:
			f.put(r, norm.NFD.Properties(whole).CCC())
		}
		whole = whole[n:]
	}
}

// put appends a rune; combining marks wait until all of them are there.
func (f *folder) put(r rune, class uint8) {
	if class != 0 {
		f.marks = append(f.marks, mark{r, class})
		return
	}
	f.settle()
	f.text = utf8.AppendRune(f.text, r)
}

// settle appends the marks in their canonical order.
func (f *folder) settle() {
	if len(f.marks) == 0 {
		return
	}
	slices.SortStableFunc(f.marks, func(a, b mark) int { return int(a.class) - int(b.class) })
	for _, m := range f.marks {
		f.text = utf8.AppendRune(f.text, m.r)
	}
	f.marks = f.marks[:0]
}

// in says whether a rune is in one of the ranges, which are ascending.
func in(ranges [][2]rune, r rune) bool {
	for _, x := range ranges {
		if r <= x[1] {
			return r >= x[0]
		}
	}
	return false
}

// ignorable are the code points with the property Default_Ignorable_Code_Point.
var ignorable = [][2]rune{
	{0xAD, 0xAD}, {0x34F, 0x34F}, {0x61C, 0x61C}, {0x115F, 0x1160}, {0x17B4, 0x17B5}, {0x180B, 0x180E}, {0x200B, 0x200F}, {0x202A, 0x202E},
	{0x2060, 0x206F}, {0x3164, 0x3164}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFF8}, {0x1BCA0, 0x1BCA3},
	{0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
}

// newer are code points with a case or a decomposition that are younger than Unicode 12.1, up to 15.
var newer = [][2]rune{
	{0x2C2F, 0x2C2F}, {0xA7C0, 0xA7C0}, {0xA7C7, 0xA7C7}, {0xA7C9, 0xA7C9}, {0xA7D0, 0xA7D0}, {0xA7D6, 0xA7D6}, {0xA7D8, 0xA7D8},
	{0xA7F5, 0xA7F5}, {0x10570, 0x10595}, {0x11938, 0x11938},
}

// foldings are those of CaseFolding.txt (C and F) that are not the lower-case letter.
var foldings = func() map[rune]string {
	m := map[rune]string{}
	for pair := range strings.FieldsSeq(
		"µμ ſs \u0345ι ςσ ϐβ ϑθ ϕφ ϖπ ϰκ ϱρ ϵε ᲀв ᲁд ᲂо ᲃс ᲄт ᲅт ᲆъ ᲇѣ ᲈꙋ ẛṡ ßss İi\u0307 ŉʼn ևեւ ẚaʾ ẞss ﬀff ﬁfi ﬂfl ﬃffi ﬄffl ﬅst ﬆst ﬓմն ﬔմե ﬕմի ﬖվն ﬗմխ") {
		r, n := utf8.DecodeRuneInString(pair)
		m[r] = pair[n:]
	}
	return m
}()
