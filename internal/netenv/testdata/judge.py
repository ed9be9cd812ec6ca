"""Reads environment files and keyfiles with the programs that read them on a NixOS machine.

usage: judge.py systemd|networkmanager|available, with a JSON list of base64 texts on standard input.
systemd:        prints for each a list of [name, value] in base64, or null where systemd refuses the file.
networkmanager: prints for each {"ssid": base64 or null, "psk": base64 or null}, or null where libnm refuses the keyfile.
available:      fails with the reason where a library is missing; reads and prints nothing.

libsystemd-shared is searched for in the directory LIBSYSTEMD_SHARED, and where distributions have it.
"""
import base64, ctypes, glob, json, os, sys, tempfile


def libsystemd():
    for directory in os.environ.get("LIBSYSTEMD_SHARED", ""), "/usr/lib/*/systemd", "/usr/lib/systemd":
        found = sorted(glob.glob(directory + "/libsystemd-shared-*.so")) if directory else []
        if found:
            return ctypes.CDLL(found[-1])
    sys.exit("no libsystemd-shared-*.so is here")


def libnm():
    import gi
    gi.require_version("NM", "1.0")
    from gi.repository import GLib, NM
    return GLib, NM


def systemd(texts):
    lib = libsystemd()
    lib.log_set_max_level(0)
    lib.env_name_is_valid.restype = lib.env_value_is_valid.restype = ctypes.c_bool
    for text in texts:
        with tempfile.NamedTemporaryFile() as f:
            f.write(text)
            f.flush()
            strv = ctypes.POINTER(ctypes.c_char_p)()
            if lib.load_env_file(None, f.name.encode(), ctypes.byref(strv)) < 0:
                yield None
                continue
        pairs = []
        i = 0
        while strv and strv[i] is not None:
            name, _, value = strv[i].partition(b"=")
            # What the manager does next: it leaves out what is no valid assignment.
            if lib.env_name_is_valid(name) and lib.env_value_is_valid(value):
                pairs.append([b64(name), b64(value)])
            i += 1
        yield pairs


def networkmanager(texts):
    GLib, NM = libnm()
    for text in texts:
        keyfile = GLib.KeyFile()
        try:
            keyfile.load_from_bytes(GLib.Bytes.new(text), GLib.KeyFileFlags.NONE)
            c = NM.keyfile_read(keyfile, "/tmp", NM.KeyfileHandlerFlags.NONE, None)
        except GLib.Error:
            yield None
            continue
        wifi, security = c.get_setting_wireless(), c.get_setting_wireless_security()
        ssid = wifi.get_ssid() if wifi else None
        psk = security.get_psk() if security else None
        yield {"ssid": b64(ssid.get_data()) if ssid else None, "psk": b64(psk.encode()) if psk is not None else None}


def b64(b):
    return base64.b64encode(b).decode()


if sys.argv[1] == "available":
    libsystemd()
    libnm()
    sys.exit()
texts = [base64.b64decode(t) for t in json.load(sys.stdin)]
json.dump(list({"systemd": systemd, "networkmanager": networkmanager}[sys.argv[1]](texts)), sys.stdout)
