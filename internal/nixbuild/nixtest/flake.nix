# A flake without inputs whose one host has an SD image, so that a real nix can build one where nixpkgs cannot be fetched. The
# derivation takes its tools from the machine (path.nix, which the test writes) and so needs a build without a sandbox.
{
  outputs =
    { self }:
    let
      system = import ./system.nix;
      sdImage =
        { name, script }:
        derivation {
          inherit name system;
          builder = "/bin/sh";
          args = [
            "-eu"
            "-c"
            script
          ];
          PATH = import ./path.nix;
          recipe = ./recipe;
        };
      host = image: { config.system.build.sdImage = image; };
    in
    {
      nixosConfigurations = {
        bastet = host (sdImage {
          name = "nixos-sd-image-bastet";
          script = ''
            mkdir -p "$out/sd-image" "$out/nix-support"
            sh "$recipe/make.sh" "$out/sd-image/nixos-sd-image-bastet.img.zst"
            echo "file sd-image $out/sd-image/nixos-sd-image-bastet.img.zst" > "$out/nix-support/hydra-build-products"
          '';
        });
        # A name with a dot in it is one name, not two.
        "bastet.example.org" = host (sdImage {
          name = "dotted";
          script = ''mkdir -p "$out/sd-image"; echo dotted > "$out/sd-image/dotted.img"'';
        });
        broken = host (sdImage {
          name = "broken";
          script = ''echo "mke2fs: no luck" >&2; exit 3'';
        });
        endless = host (sdImage {
          name = "endless";
          script = ''echo $$ > ${import ./scratch.nix}/builder; sleep 60'';
        });
        imageless.config.system.build.toplevel = "no image here";
        throwing.config.system.build.sdImage = throw "the configuration is wrong";
      };
    };
}
