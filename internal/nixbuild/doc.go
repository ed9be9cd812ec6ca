// Package nixbuild builds the SD image of a NixOS host with nix and finds the image file in the result.
//
// It runs, whatever nix it finds (2.8 of Debian and today's take the same words),
//
//	nix build --no-link --json FLAKE#nixosConfigurations.HOST.config.system.build.sdImage
//
// and reads nix's answer. Each way to fail is a kind of its own, found with errors.Is: ErrHost, ErrFlake, ErrAttr, ErrNixMissing,
// ErrNoAttribute, ErrBuild, ErrAnswer, ErrNoImage, ErrSeveralImages. Errors carry a hint for internal/cli where there is something to do.
//
// Reading order: build.go (what is run), target.go (what it is asked for), environment.go (what it is not told),
// diagnose.go (what went wrong), result.go (what came out). How nix is stopped, internal/procgroup says.
package nixbuild
