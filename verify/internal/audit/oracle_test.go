package audit_test

// This file is the comparison itself: thousands of damaged images, and what is left of disagreement.

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"boringboot/verify/internal/audit"
)

// How much is done:
//
//	BORINGBOOT_AUDIT_DAMAGES=n    so many damaged images; "all": every field of every structure in every way, which takes hours
//	BORINGBOOT_AUDIT_SEED=n       other ones
//	BORINGBOOT_AUDIT_IMAGE=expr   of the images whose name the regular expression matches
//	BORINGBOOT_AUDIT_REPORT=file  where all disagreements are written to
const (
	defaultDamages = 3000
	wantAgreement  = 0.995
)

func allRecipes() []recipe { return slices.Concat(recipes, kernelRecipes()) }

func environment(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s=%s: %v", name, s, err)
	}
	return n
}

func TestTheAuditAgreesWithFsckOnDamagedImages(t *testing.T) {
	all := os.Getenv("BORINGBOOT_AUDIT_DAMAGES") == "all"
	damages := uint64(defaultDamages)
	if !all {
		damages = environment(t, "BORINGBOOT_AUDIT_DAMAGES", defaultDamages)
	}
	seed := environment(t, "BORINGBOOT_AUDIT_SEED", 1)
	list := allRecipes()
	if name := os.Getenv("BORINGBOOT_AUDIT_IMAGE"); name != "" {
		wanted, err := regexp.Compile(name)
		if err != nil {
			t.Fatal(err)
		}
		list = slices.DeleteFunc(list, func(r recipe) bool { return !wanted.MatchString(r.name) })
	}
	t.Logf("seed %d, %d images", seed, len(list))
	excused := disagreements(t)
	tally := newTally()
	start := time.Now()
	next := make(chan recipe, len(list))
	for _, r := range list {
		next <- r
	}
	close(next)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for r := range next {
				if t.Failed() && tally.broken() {
					continue
				}
				s := newSubject(t, r).toFile(t)
				// The same damages whatever other images there are, and in what order.
				h := fnv.New64()
				fmt.Fprint(h, r.name)
				rnd := rand.New(rand.NewPCG(seed, h.Sum64()))
				if all {
					everything(t, s, rnd, tally)
				} else {
					byLot(t, s, rnd, int(damages)/len(list)+1, tally)
				}
			}
		})
	}
	workers.Wait()
	tally.judge(t, excused, time.Since(start), len(list) == len(allRecipes()))
}

// byLot draws damages: every sixth is of several fields at once.
func byLot(t *testing.T, s *subject, rnd *rand.Rand, n int, tally *tally) {
	for i := range n {
		blows := []blow{s.lot(rnd)}
		if i%6 == 5 {
			for range 1 + rnd.IntN(4) {
				blows = append(blows, s.lot(rnd))
			}
		}
		compare(t, s, rnd, blows, tally)
	}
}

// everything does each thing to up to three of the same fields.
func everything(t *testing.T, s *subject, rnd *rand.Rand, tally *tally) {
	for _, structure := range s.structures {
		for _, name := range s.fieldsOf[structure] {
			which := slices.Clone(s.byField[structure][name])
			rnd.Shuffle(len(which), func(i, j int) { which[i], which[j] = which[j], which[i] })
			for _, i := range which[:min(3, len(which))] {
				for _, how := range hows {
					for _, sealed := range []bool{false, true} {
						if !sealed || len(s.targets[i].seals) > 0 {
							compare(t, s, rnd, []blow{{i, how, sealed}}, tally)
						}
					}
				}
			}
		}
	}
}

// compare does the damage, has both judge it, and undoes it.
func compare(t *testing.T, s *subject, rnd *rand.Rand, blows []blow, tally *tally) {
	s.strike(rnd, blows...)
	changed, err := s.show()
	if err != nil {
		t.Error(err)
		return
	}
	if changed {
		v := judge(t, s.path, s.data, audit.Options{Workers: 1 + rnd.IntN(2)})
		if v.code > 0 {
			v.named = s.objects(v.fsck)
		}
		tally.add(s, blows, v)
	}
	if err := s.heal(); err != nil {
		t.Error(err)
	}
}

// group is all disagreements of a kind.
type group struct {
	key     string   // structure | field | how, of all fields that were damaged
	parts   []string // of each
	verdict string   // what e2fsck says and what we say
	says    string   // of telling, what e2fsck says
	n       int
	example string
}

// tally counts.
type tally struct {
	mu            sync.Mutex
	damages       int
	clean         int // of e2fsck's mind
	endless       int // e2fsck comes to no end, or crashes
	disagree      int
	warnings      int // of e2fsck, where we have none
	single, other int // damages of one field that both complain of; those where the object is another
	groups        map[string]*group
	slowest       time.Duration
	slowestLine   string
	memory        uint64
	proofs        map[audit.Code][]string // what a single code finds, as oracle_mutation_test.go has it
	faults        []string                // panics, and what took too long or too much memory
}

func newTally() *tally { return &tally{groups: map[string]*group{}, proofs: map[audit.Code][]string{}} }

func (y *tally) broken() bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.faults) > 20
}

func (y *tally) add(s *subject, blows []blow, v verdicts) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.damages++
	if v.code < 0 {
		y.endless++
	}
	if v.fsckClean() {
		y.clean++
	}
	y.memory = max(y.memory, v.allocated)
	if v.took > y.slowest {
		y.slowest, y.slowestLine = v.took, s.line()
	}
	if errors.Is(v.err, errPanic) || v.took > tooLong || v.allocated > tooMuch {
		y.faults = append(y.faults, fmt.Sprintf("%s\n\t%v, %v, %d MiB", s.line(), v.err, v.took, v.allocated>>20))
	}
	several := len(blows) > 1
	var names []string
	for _, b := range blows {
		names = append(names, s.String(b))
	}
	g := &group{key: strings.Join(names, " & "), parts: names, verdict: v.disagreement(s.layout, several)}
	if several {
		g.key = "several: " + g.key
	}
	if v.code > 0 && !several {
		y.single++
	}
	switch g.verdict {
	case "":
		if !several {
			y.prove(s, blows[0], v)
		}
		return
	case passes, alarms:
		y.disagree++
	case elsewhere:
		y.other++
	case overlooked:
		y.warnings++
	}
	for _, text := range telling {
		if strings.Contains(v.fsck, text) {
			g.says = text
			break
		}
	}
	key := g.verdict + g.key + g.says
	if old := y.groups[key]; old != nil {
		old.n++
		return
	}
	g.n, g.example = 1, fmt.Sprintf("\t%.20000s\n%s", s.line(), v.said())
	y.groups[key] = g
}

// prove notes for which codes the damage is a proof, in the form that oracle_mutation_test.go has.
func (y *tally) prove(s *subject, b blow, v verdicts) {
	t := s.targets[b.target]
	if len(v.findings) > 30 { // there are too many others
		return
	}
	for _, code := range v.decisive(s.layout) {
		y.proofs[code] = append(y.proofs[code], fmt.Sprintf("{%q, %q, %q, %q, %q, %v},", code, s.name, t.structure, t.field, b.how, b.sealed))
	}
}

func (g *group) String() string {
	return fmt.Sprintf("%4d  %s | %s\n%s", g.n, g.key, g.verdict, g.example)
}

// judge fails the test for disagreements that are not listed, or where it is about all images too many.
func (y *tally) judge(t *testing.T, excused []excuse, took time.Duration, whole bool) {
	agreement := 1 - float64(y.disagree)/float64(max(1, y.damages))
	t.Logf("%d damaged images in %v (of which e2fsck finds %d clean and crashes or comes to no end with %d): verdicts agree on %.2f %%; of %d with one cause %d name another object; %d warnings of e2fsck's have none of ours beside them",
		y.damages, took.Round(time.Second), y.clean, y.endless, 100*agreement, y.single, y.other, y.warnings)
	t.Logf("an audit allocated %d MiB at most; the slowest took %v: %s", y.memory>>20, y.slowest.Round(time.Millisecond), y.slowestLine)
	if whole && agreement < wantAgreement {
		t.Errorf("verdicts agree on %.2f %%, want %.1f %%", 100*agreement, 100*wantAgreement)
	}
	for _, f := range y.faults {
		t.Errorf("panic, too slow or too large: %s", f)
	}
	var groups []*group
	for _, g := range y.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b *group) int { return strings.Compare(a.verdict+a.key, b.verdict+b.key) })
	var all strings.Builder
	shown := 0
	for _, g := range groups {
		reason := reasonFor(excused, g)
		if reason != "" {
			reason = "\t\tlisted: " + reason + "\n"
		}
		fmt.Fprintf(&all, "%s%s\n", g, reason)
		if reason != "" {
			continue
		}
		if shown++; shown <= 40 {
			t.Errorf("a disagreement that is not listed:\n%s", g)
		}
	}
	if shown > 40 {
		t.Errorf("and %d more kinds of disagreement that are not listed", shown-40)
	}
	if path := os.Getenv("BORINGBOOT_AUDIT_REPORT"); path != "" {
		for _, code := range slices.Sorted(maps.Keys(y.proofs)) {
			fmt.Fprintf(&all, "only %s: %d\n", code, len(y.proofs[code]))
			for _, proof := range y.proofs[code][:min(3, len(y.proofs[code]))] {
				fmt.Fprintf(&all, "\tproof: %s\n", proof)
			}
		}
		if err := os.WriteFile(path, []byte(all.String()), 0o600); err != nil {
			t.Error(err)
		}
	}
}
