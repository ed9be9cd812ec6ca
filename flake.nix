{
  description = "boringboot puts the secrets of a first boot into a NixOS SD image, and proves that they are there";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable"; # with a Go as new as go.mod asks for

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;

      # Those of the platforms we build for that nixpkgs (still) has.
      systems = lib.intersectLists [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ] (builtins.attrNames nixpkgs.legacyPackages);
      forEachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});

      # The revision is no part of the package's version: the name of the vendored modules, and so their download, hangs on that.
      version = "0.1.0";
      revision = self.shortRev or self.dirtyShortRev or "dirty";

      # Of what go mod vendor makes. scripts/vendor-hash --write brings it up to date, a test notices when it is not.
      vendorHash = "sha256-v+/e8NiU/UsKmUviLNC/oPMw15bjY1f/ONMgxgGeHdE=";

      # What no program is built from, so that a new sentence in the README builds nothing anew.
      notSource = [
        ".ci"
        ".git"
        ".github"
        "CHANGELOG.md"
        "README.md"
        "docs"
        "flake.lock"
        "flake.nix"
        "nix"
        "scripts"
      ];
      source = builtins.path {
        name = "boringboot-source";
        path = ./.;
        filter = path: _type: !(dirOf path == toString ./. && builtins.elem (baseNameOf path) notSource);
      };

      # The programs that judge what we write, and those that make images for tests.
      judges =
        pkgs:
        [
          pkgs.age
          pkgs.bzip2
          pkgs.dosfstools
          pkgs.e2fsprogs
          pkgs.gettext # envsubst
          pkgs.gnupg
          pkgs.gptfdisk # sgdisk
          pkgs.gzip
          pkgs.mtools
          pkgs.openssh
          pkgs.sops
          pkgs.xz
          pkgs.zstd
        ]
        ++ lib.optionals pkgs.stdenv.hostPlatform.isLinux [
          pkgs.btrfs-progs
          pkgs.cdrkit # genisoimage
          pkgs.chromium
          pkgs.cryptsetup
          pkgs.f2fs-tools
          (pkgs.python3.withPackages (python: [ python.pygobject3 ])) # reads keyfiles with libnm
          pkgs.squashfsTools
          pkgs.strace
          pkgs.util-linux # sfdisk, losetup, mount
          pkgs.xfsprogs
        ];

      # Where the judges find libraries: libnm's typelib and those that it needs, and systemd's parser of environment files.
      judgesEnvironment =
        pkgs:
        lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          GI_TYPELIB_PATH = lib.makeSearchPathOutput "out" "lib/girepository-1.0" [
            pkgs.glib
            pkgs.gobject-introspection
            pkgs.networkmanager
          ];
          LIBSYSTEMD_SHARED = "${pkgs.systemd}/lib/systemd";
        };
    in
    {
      packages = forEachSystem (pkgs: {
        default = pkgs.buildGoModule {
          pname = "boringboot";
          inherit version vendorHash;
          src = source;
          subPackages = [
            "cmd/boringboot"
            "cmd/verify-image"
          ];
          env.CGO_ENABLED = 0;
          ldflags = [
            "-s"
            "-w"
            "-X boringboot/internal/cli.version=${version}-${revision}"
          ];
          doCheck = false; # checks.tests has the judges and runs them all
          meta = {
            description = "Puts the secrets of a first boot into a NixOS SD image, without root, and proves that they are there";
            license = lib.licenses.mit;
            mainProgram = "boringboot";
            platforms = systems;
          };
        };
      });

      apps = forEachSystem (
        pkgs:
        let
          boringboot = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
          provision = pkgs.writeShellApplication {
            name = "raspberry-pi-provision-image";
            text = ''exec ${boringboot}/bin/boringboot provision "$@"'';
          };
          app = program: {
            type = "app";
            inherit program;
          };
        in
        {
          default = app "${boringboot}/bin/boringboot";
          raspberry-pi-provision-image = app "${provision}/bin/raspberry-pi-provision-image";
          verify-image = app "${boringboot}/bin/verify-image";
        }
      );

      checks = forEachSystem (
        pkgs:
        let
          boringboot = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        in
        {
          inherit boringboot;

          # The tests as far as a sandbox lets them run: nothing is mounted there, and nix does not run inside of nix.
          tests = boringboot.overrideAttrs (old: {
            src = self;
            nativeBuildInputs = old.nativeBuildInputs ++ judges pkgs;
            env = old.env // judgesEnvironment pkgs;
            doCheck = true;
            checkPhase = ''
              runHook preCheck
              export HOME=$TMPDIR GOFLAGS=''${GOFLAGS//-trimpath/} # tests find their files by their own paths
              go test -timeout 30m ./...
              runHook postCheck
            '';
          });
        }
      );

      devShells = forEachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.go
            pkgs.gopls
            pkgs.nix
          ]
          ++ judges pkgs;
          env = judgesEnvironment pkgs // {
            CGO_ENABLED = "0";
          };
        };
      });

      formatter = forEachSystem (pkgs: pkgs.nixfmt-tree);
    };
}
