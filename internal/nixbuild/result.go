// The result: nix's answer on standard output, and the image below the path it names.

package nixbuild

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"boringboot/internal/cli"
)

// imageDir is where nixpkgs' sd-image.nix puts the image, below the derivation's output.
const imageDir = "sd-image"

// parseAnswer returns the output path in the answer of nix build --json: an array with an element for each installable, here one,
//
//	[{"drvPath": "/nix/store/….drv", "outputs": {"out": "/nix/store/…"}}]
//
// Members that are not named here vary with nix's version and are passed over.
func parseAnswer(answer []byte) (string, error) {
	var built []struct {
		Outputs map[string]string `json:"outputs"`
	}
	if err := json.Unmarshal(answer, &built); err != nil {
		return "", fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if len(built) != 1 {
		return "", fmt.Errorf("%w: %d derivations, 1 was asked for", ErrAnswer, len(built))
	}
	out, ok := built[0].Outputs["out"]
	if !ok {
		return "", fmt.Errorf("%w: no output named out", ErrAnswer)
	}
	if !filepath.IsAbs(out) {
		return "", fmt.Errorf("%w: the output %q is not a path from the root", ErrAnswer, out)
	}
	return filepath.Clean(out), nil
}

// findImage returns the one file *.img* in out's sd-image directory.
func findImage(out string) (string, error) {
	dir := filepath.Join(out, imageDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", cli.WithHint(fmt.Errorf("%w: %s has no directory %s", ErrNoImage, out, imageDir),
			"the attribute must be a NixOS SD image; name another with --attr, or an image file with --image")
	}
	if err != nil {
		return "", fmt.Errorf("look for the image: %w", err)
	}
	var images, others []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !strings.Contains(e.Name(), ".img") {
			others = append(others, e.Name())
			continue
		}
		info, err := os.Stat(path) // through symlinks: a result may be a link farm
		if err != nil {
			return "", fmt.Errorf("look for the image: %w", err)
		}
		if !info.Mode().IsRegular() {
			others = append(others, e.Name())
			continue
		}
		images = append(images, path)
	}
	switch len(images) {
	case 1:
		return images[0], nil
	case 0:
		return "", fmt.Errorf("%w: no file *.img* in %s, which holds %s", ErrNoImage, dir, list(others))
	default:
		for i, path := range images {
			images[i] = filepath.Base(path)
		}
		return "", cli.WithHint(fmt.Errorf("%w: %s holds %s", ErrSeveralImages, dir, list(images)), "name the one you mean with --image")
	}
}

// maxListed is how many names an error lists before it counts the rest.
const maxListed = 8

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	if more := len(names) - maxListed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), more)
	}
	return strings.Join(names, ", ")
}
