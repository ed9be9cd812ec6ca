# Stands in for nixpkgs where that cannot be fetched: as much of it as our flake.nix names, each function taking only what nixpkgs
# documents of it. What it builds says what it was asked to be.
{
  outputs =
    { self }:
    let
      path = "/usr/bin:/bin";

      optionals = condition: list: if condition then list else [ ];

      # An argument that is not known here is a mistake there.
      only =
        function: known: args:
        let
          unknown = builtins.attrNames (removeAttrs args known);
        in
        if unknown == [ ] then args else throw "${function}: unknown argument ${builtins.head unknown}";

      packagesOf =
        system:
        let
          build =
            name: script:
            derivation {
              inherit name system;
              builder = "/bin/sh";
              args = [
                "-eu"
                "-c"
                script
              ];
              PATH = path;
            };

          overridable =
            make: attrs:
            make attrs
            // {
              inherit attrs;
              overrideAttrs = f: overridable make (attrs // f attrs);
            };

          program = name: text: ''
            mkdir -p "$out/bin"
            printf '#!/bin/sh\n%s\n' ${quoted text} > "$out/bin/${name}"
            chmod +x "$out/bin/${name}"
          '';
          quoted = text: "'" + builtins.replaceStrings [ "'" ] [ "'\\''" ] text + "'";

          named = names: builtins.listToAttrs (map (name: { inherit name; value = build name ": > $out"; }) names);
        in
        named [
          "age"
          "btrfs-progs"
          "bzip2"
          "chromium"
          "cdrkit"
          "cryptsetup"
          "dosfstools"
          "e2fsprogs"
          "f2fs-tools"
          "gettext"
          "glib"
          "gnupg"
          "go"
          "gobject-introspection"
          "gopls"
          "gptfdisk"
          "gzip"
          "mtools"
          "networkmanager"
          "nix"
          "nixfmt-tree"
          "openssh"
          "sops"
          "squashfsTools"
          "strace"
          "systemd"
          "util-linux"
          "xfsprogs"
          "xz"
          "zstd"
        ]
        // {
          stdenv.hostPlatform = {
            inherit system;
            isLinux = builtins.match ".*-linux" system != null;
          };

          # Its packages are those that it was asked to have.
          python3.withPackages =
            choose: build "python3-env" ": > $out" // { packages = choose (named [ "pygobject3" ]); };

          # Its programs print their name and their arguments, one a line.
          buildGoModule =
            args:
            overridable
              (
                a:
                build "${a.pname}-${a.version}" (
                  toString (map (dir: program (baseNameOf dir) ''printf '%s\n' ${baseNameOf dir} "$@"'') a.subPackages)
                )
              )
              (
                {
                  nativeBuildInputs = [ ];
                }
                // only "buildGoModule" [
                  "pname"
                  "version"
                  "src"
                  "vendorHash"
                  "subPackages"
                  "env"
                  "ldflags"
                  "doCheck"
                  "meta"
                ] args
              );

          writeShellApplication =
            args:
            let
              a = only "writeShellApplication" [
                "name"
                "text"
                "runtimeInputs"
              ] args;
            in
            build a.name (program a.name a.text);

          mkShell =
            args:
            let
              a = only "mkShell" [
                "packages"
                "env"
              ] args;
            in
            build "nix-shell" ": > $out" // { inherit (a) packages env; };
        };
    in
    {
      lib = {
        inherit optionals;
        optionalAttrs = condition: attrs: if condition then attrs else { };
        makeSearchPathOutput =
          output: dir: packages:
          builtins.concatStringsSep ":" (map (p: "${p.${output}}/${dir}") packages);
        genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
        intersectLists = a: builtins.filter (x: builtins.elem x a);
        licenses.mit.spdxId = "MIT";
      };

      # One platform of ours is not there, and one is there that is not ours.
      legacyPackages = self.lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
        "riscv64-linux"
      ] packagesOf;
    };
}
