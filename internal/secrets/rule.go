// Rules: which values of a SOPS file are encrypted.
package secrets

import (
	"regexp"
	"slices"
	"strings"
)

// rule is the one rule that a file has.
type rule struct {
	matches  func(text string) bool
	encrypts bool // what matches is encrypted and the rest is not, or the other way round
	comments bool // it is the comments above a value that are matched; otherwise, the keys above it and its own
}

// defaultSuffix ends the keys of values that are not encrypted, in a file that names no rule.
const defaultSuffix = "_unencrypted"

func suffixRule(suffix string, encrypts bool) rule {
	return rule{matches: func(key string) bool { return strings.HasSuffix(key, suffix) }, encrypts: encrypts}
}

// regexRule takes an expression that is none for one that matches nothing, as sops does.
func regexRule(expression string, encrypts, comments bool) rule {
	re, err := regexp.Compile(expression)
	if err != nil {
		return rule{matches: func(string) bool { return false }, encrypts: encrypts, comments: comments}
	}
	return rule{matches: re.MatchString, encrypts: encrypts, comments: comments}
}

// encrypted says whether l is.
func (r rule) encrypted(l leaf) bool {
	if !r.comments {
		return slices.ContainsFunc(l.path, r.matches) == r.encrypts
	}
	for i, above := range l.comments {
		// A comment that says that something is encrypted does not speak about itself.
		if r.encrypts && l.isComment() && i == len(l.comments)-1 {
			above = above[:len(above)-1]
		}
		if slices.ContainsFunc(above, r.matches) {
			return r.encrypts
		}
	}
	return !r.encrypts
}
