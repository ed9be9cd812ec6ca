// Version prints what a program of ours says of its version. It is linked as flake.nix has the programs linked.
package main

import (
	"fmt"

	"boringboot/internal/cli"
)

func main() { fmt.Println(cli.Version()) }
