// Kinds of secrets: what is in an image of the same kind is no leak of one, and the secret is, whole and in pieces.

package verify

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"boringboot/internal/manifest"

	"golang.org/x/crypto/ssh"
)

// kind is a secret with text of its kind that is no secret.
type kind struct {
	name       string
	secret     []byte
	other      [][]byte // what may be in an image: none of it is a leak
	allPublic  bool     // nothing of it is looked for
	publicHalf bool     // its second half is public
	sectors    []int    // those with nothing secret in them
}

func draw(seed uint64, n int, letters string) string {
	rnd := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[rnd.IntN(len(letters))]
	}
	return string(b)
}

const (
	lower = "abcdefghijklmnopqrstuvwxyz"
	mixed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
)

func texts(list ...string) [][]byte {
	var b [][]byte
	for _, s := range list {
		b = append(b, []byte(s))
	}
	return b
}

// certificate makes one for a key, signed by itself.
func certificate(t *testing.T, serial int64, key any, public any) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test", Organization: []string{"A Company"}},
		NotBefore: time.Unix(1700000000, 0), NotAfter: time.Unix(1900000000, 0)}
	b, err := x509.CreateCertificate(random(uint64(serial)), template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b})
}

type source struct{ *rand.ChaCha8 }

func random(seed uint64) source {
	var b [32]byte
	b[0], b[1] = byte(seed), byte(seed>>8)
	return source{rand.NewChaCha8(b)}
}

func (s source) Read(p []byte) (int, error) { return s.ChaCha8.Read(p) }

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pkcs12 is a file with an encrypted content as OpenSSL 3 lays it out (RFC 7292).
func pkcs12(t testing.TB, seed uint64, n int) []byte {
	type algorithm struct {
		ID     asn1.ObjectIdentifier
		Params any
	}
	type pbkdf2 struct {
		Salt   []byte
		Rounds int
		PRF    struct {
			ID   asn1.ObjectIdentifier
			Null asn1.RawValue
		}
	}
	data := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	kdf := pbkdf2{Salt: noise(seed, 8), Rounds: 2048}
	kdf.PRF.ID, kdf.PRF.Null = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}, asn1.NullRawValue
	scheme := marshal(t, struct{ KDF, Cipher asn1.RawValue }{
		asn1.RawValue{FullBytes: marshal(t, struct {
			ID     asn1.ObjectIdentifier
			Params pbkdf2
		}{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}, kdf})},
		asn1.RawValue{FullBytes: marshal(t, struct {
			ID asn1.ObjectIdentifier
			IV []byte
		}{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, noise(seed+1, 16)})},
	})
	encrypted := marshal(t, struct {
		Version int
		Content struct {
			Type asn1.ObjectIdentifier
			Alg  struct {
				ID     asn1.ObjectIdentifier
				Params asn1.RawValue
			}
			Content asn1.RawValue
		}
	}{0, struct {
		Type asn1.ObjectIdentifier
		Alg  struct {
			ID     asn1.ObjectIdentifier
			Params asn1.RawValue
		}
		Content asn1.RawValue
	}{data, struct {
		ID     asn1.ObjectIdentifier
		Params asn1.RawValue
	}{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}, asn1.RawValue{FullBytes: scheme}},
		asn1.RawValue{Class: 2, Tag: 0, Bytes: noise(seed+2, n)}}})
	explicit := func(b []byte) asn1.RawValue { return asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: b} }
	type content struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}
	safe := marshal(t, []content{{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}, explicit(encrypted)}})
	return marshal(t, struct {
		Version int
		Safe    content
	}{3, content{data, explicit(marshal(t, safe))}})
}

// explicitEC is an EC key that has its curve's parameters in it, as some programs write it.
func explicitEC(t testing.TB, seed uint64) (key, public []byte) {
	p := elliptic.P256().Params()
	d := noise(seed, 32)
	x, y := elliptic.P256().ScalarBaseMult(d)
	point := elliptic.Marshal(elliptic.P256(), x, y)
	params := marshal(t, struct {
		Version int
		Field   struct {
			ID asn1.ObjectIdentifier
			P  *big.Int
		}
		Curve struct{ A, B []byte }
		Base  []byte
		N     *big.Int
		H     int
	}{1, struct {
		ID asn1.ObjectIdentifier
		P  *big.Int
	}{asn1.ObjectIdentifier{1, 2, 840, 10045, 1, 1}, p.P},
		struct{ A, B []byte }{new(big.Int).Sub(p.P, big.NewInt(3)).Bytes(), p.B.FillBytes(make([]byte, 32))}, elliptic.Marshal(elliptic.P256(), p.Gx, p.Gy), p.N, 1})
	key = marshal(t, struct {
		Version int
		D       []byte
		Params  asn1.RawValue
		Public  asn1.RawValue
	}{1, d, asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: params},
		asn1.RawValue{Class: 2, Tag: 1, IsCompound: true, Bytes: marshal(t, asn1.BitString{Bytes: point, BitLength: len(point) * 8})}})
	return key, point
}

func kinds(t *testing.T) []kind {
	rsaKeys := [2]*rsa.PrivateKey{}
	for i := range rsaKeys {
		block, _ := pem.Decode(pemOf(t, "-t", "rsa", "-b", "2048", "-m", "PEM"))
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		rsaKeys[i] = key
	}
	pkcs8 := func(key any) []byte {
		b, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b})
	}
	sec1 := func(key *ecdsa.PrivateKey) []byte {
		b, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: b})
	}
	openSSH := func(key any, comment string) []byte {
		block, err := ssh.MarshalPrivateKey(key, comment)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(block)
	}
	authorized := func(public any, comment string) string {
		p, err := ssh.NewPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(p))) + " " + comment + "\n"
	}
	b64 := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	url64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	jwt := func(seed uint64, claims string) string {
		return url64(`{"alg":"HS256","typ":"JWT"}`) + "." + url64(claims) + "." + base64.RawURLEncoding.EncodeToString(noise(seed, 32))
	}
	ec := [3]*ecdsa.PrivateKey{}
	ed := [3]ed25519.PrivateKey{}
	for i := range ec {
		d := noise(uint64(100+i), 32)
		d[0] &= 0x7F
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
		if err != nil {
			t.Fatal(err)
		}
		ec[i], ed[i] = key, ed25519.NewKeyFromSeed(noise(uint64(200+i), 32))
	}
	cert, ca, foreign := certificate(t, 1, rsaKeys[0], &rsaKeys[0].PublicKey), certificate(t, 2, rsaKeys[1], &rsaKeys[1].PublicKey), certificate(t, 3, ec[1], &ec[1].PublicKey)
	join := func(list ...[]byte) []byte { return bytes.Join(list, nil) }
	publicPEM := func(public any) []byte {
		b, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: b})
	}
	account := func(seed uint64, key []byte, indent string) []byte {
		b, err := json.Marshal(string(key))
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf(`{"type":"service_account","project_id":"project-%d","private_key_id":"%x","private_key":%s,"client_email":"somebody@project-%d.iam.gserviceaccount.com",`+
			`"client_id":"1043523523523%d","auth_uri":"https://accounts.google.com/o/oauth2/auth","token_uri":"https://oauth2.googleapis.com/token",`+
			`"auth_provider_x509_cert_url":"https://www.googleapis.com/oauth2/v1/certs",`+
			`"client_x509_cert_url":"https://www.googleapis.com/robot/v1/metadata/x509/somebody%%40project-%d.iam.gserviceaccount.com","universe_domain":"googleapis.com"}`, seed, noise(seed, 20), b, seed, seed, seed)
		if indent == "" {
			return []byte(text)
		}
		var out bytes.Buffer
		if err := json.Indent(&out, []byte(text), "", indent); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	kubeconfig := func(seed uint64, key, cert, ca []byte) []byte {
		return fmt.Appendf(nil, "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority-data: %s\n    server: https://10.0.0.%d:6443\n  name: default\nusers:\n- name: default\n  user:\n    client-certificate-data: %s\n    client-key-data: %s\n",
			b64(ca), seed, b64(cert), b64(key))
	}
	static := func(seed uint64) string {
		var b strings.Builder
		for i := range 16 {
			fmt.Fprintf(&b, "%x\n", noise(seed*100+uint64(i), 16))
		}
		return "#\n# 2048 bit OpenVPN static key\n#\n-----BEGIN OpenVPN Static key V1-----\n" + b.String() + "-----END OpenVPN Static key V1-----\n"
	}
	ovpn := func(seed uint64, ca, cert, key []byte) []byte {
		return fmt.Appendf(nil, "client\ndev tun\nproto udp\nremote vpn.example.com 1194\nresolv-retry infinite\nnobind\npersist-key\npersist-tun\nremote-cert-tls server\ncipher AES-256-GCM\nverb 3\n<ca>\n%s</ca>\n<cert>\n%s</cert>\n<key>\n%s</key>\n<tls-auth>\n%s</tls-auth>\n",
			ca, cert, key, static(seed))
	}
	minisign := func(seed uint64) string {
		b := append([]byte("EdScB2"), noise(seed, 32)...)
		b = append(b, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0)
		return "untrusted comment: minisign encrypted secret key\n" + b64(append(b, noise(seed+1, 104)...)) + "\n"
	}
	explicit, _ := explicitEC(t, 51)
	otherExplicit, _ := explicitEC(t, 52)
	ecPEM := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}) }
	knownHosts := func(seed uint64, public any) string {
		return "|1|" + b64(noise(seed, 20)) + "|" + b64(noise(seed+1, 20)) + " " + authorized(public, "")
	}
	docker := func(user, password string) string {
		return `{"auths":{"https://index.docker.io/v1/":{"auth":"` + b64([]byte(user+":"+password)) + `"}}}`
	}
	wireguard := func(seed uint64, peer []byte) string {
		return "[Interface]\nPrivateKey = " + b64(noise(seed, 32)) + "\nAddress = 10.0.0.2/32\nDNS = 1.1.1.1\n\n[Peer]\nPublicKey = " + b64(peer) + "\nAllowedIPs = 0.0.0.0/0\nEndpoint = vpn.example.com:51820\n"
	}
	wrapped := func(b []byte) string {
		return strings.TrimSuffix(strings.TrimPrefix(string(pem.EncodeToMemory(&pem.Block{Type: "X", Bytes: b})), "-----BEGIN X-----\n"), "-----END X-----\n")
	}
	escaped := func(b []byte) string { return strings.ReplaceAll(string(b), "\n", `\n`) }
	encrypted := pemOf(t, "-t", "ed25519", "-N", "no words")
	otherEncrypted := pemOf(t, "-t", "ed25519", "-N", "other words")
	encrypted8, otherEncrypted8 := pemOf(t, "-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "no words"), pemOf(t, "-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "other words")
	jwtLong := func(seed uint64) string {
		return url64(fmt.Sprintf(`{"alg":"RS256","kid":"%s"}`, draw(seed, 32, mixed))) + "." +
			url64(`{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"kube-system","kubernetes.io/serviceaccount/secret.name":"`+draw(seed, 12, lower)+`","kubernetes.io/serviceaccount/service-account.uid":"`+draw(seed, 36, mixed)+`"}`) +
			"." + base64.RawURLEncoding.EncodeToString(noise(seed, 256))
	}
	// Keys of OpenPGP and of a security key, laid out by hand.
	mpi := func(b []byte) []byte { b[0] |= 0x80; return append([]byte{byte(len(b) >> 5), byte(len(b) << 3)}, b...) }
	packet := func(tag byte, body []byte) []byte {
		return append([]byte{0x81 | tag<<2, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	armor := func(what string, packets ...[]byte) []byte {
		return []byte("-----BEGIN PGP " + what + "-----\n\n" + wrapped(join(packets...)) + "=aBcD\n-----END PGP " + what + "-----\n")
	}
	pgp := func(seed uint64) (key, public []byte) {
		head := join([]byte{4, 0x65, 0x53, 0xF1, byte(seed), 1}, mpi(noise(seed, 512)), mpi([]byte{1, 0, 1}))
		rest := join(packet(13, []byte("somebody <somebody@example.com>")), packet(2, noise(seed+1, 300)))
		private := join(head, []byte{0}, mpi(noise(seed+2, 256)), mpi(noise(seed+3, 128)), mpi(noise(seed+4, 128)), mpi(noise(seed+5, 128)), []byte{1, 2})
		return armor("PRIVATE KEY BLOCK", packet(5, private), rest), armor("PUBLIC KEY BLOCK", packet(6, head), rest)
	}
	pgpKey, pgpPublic := pgp(70)
	otherPGP, _ := pgp(80)
	token := func(seed uint64) []byte {
		str := func(b []byte) []byte { return append([]byte{0, 0, 0, byte(len(b))}, b...) }
		name, point, application := str([]byte("sk-ssh-ed25519@openssh.com")), str(noise(seed, 32)), str([]byte("ssh:"))
		section := join(noise(seed+1, 4), name, point, application, []byte{1}, str(noise(seed+2, 96)), str(nil), str([]byte("me@x")), []byte{1, 2, 3, 4, 5})
		public := join(name, point, application)
		return pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: join([]byte(openSSHMagic), str([]byte("none")), str([]byte("none")), str(nil), []byte{0, 0, 0, 1},
			str(public), []byte{0, 0, 0, byte(len(section) + 4)}, section[:4], section)})
	}
	ageFile := func(seed uint64) string {
		return b64([]byte("age-encryption.org/v1\n-> ssh-ed25519 " + b64(noise(seed, 32)) + "\n" + b64(noise(seed+1, 32)) + "\n--- " + b64(noise(seed+2, 32)) + "\n" + string(noise(seed+3, 90))))
	}
	dh := pem.EncodeToMemory(&pem.Block{Type: "DH PARAMETERS", Bytes: marshal(t, struct{ P, G *big.Int }{rsaKeys[1].N, big.NewInt(2)})})
	sshBlob := func(public any) []byte {
		p, err := ssh.NewPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return p.Marshal()
	}
	putty := "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: me@x\nPublic-Lines: 6\n" + wrapped(sshBlob(&rsaKeys[0].PublicKey)) + "Private-Lines: 14\n" + wrapped(noise(97, 640)) +
		"Private-MAC: " + hex.EncodeToString(noise(98, 32)) + "\n"
	certBlock, _ := pem.Decode(cert)
	return []kind{
		{name: "a Slack webhook", secret: []byte("https://hooks.slack.com/services/T0" + draw(1, 9, mixed) + "/B0" + draw(2, 9, mixed) + "/" + draw(3, 24, mixed)),
			other: texts("https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", "http://hooks.slack.com/services/T0")},
		{name: "a Discord webhook", secret: []byte("https://discord.com/api/webhooks/1234567890123456789/" + draw(4, 68, mixed)),
			other: texts("https://discord.com/api/webhooks/1111111111/abc", "https://discord.com/api/webhooks/123456789012345678/"+draw(44, 68, mixed))},
		{name: "a web token", secret: []byte(jwt(5, `{"sub":"1234567890","name":"somebody","iat":1516239022}`)),
			other: texts(jwt(6, `{"sub":"1234567890","name":"John Doe","iat":1516239022}`), url64(`{"alg":"HS256","typ":"JWT"}`)+".eyJ")},
		{name: "a web token in a file of lines", secret: []byte("[main]\nuser = x\ntoken = " + jwt(5, `{"sub":"1234567890","name":"somebody","iat":1516239022}`) + "\nserver = example.com\n"),
			other: texts(jwt(6, `{"sub":"1234567890","name":"John Doe","iat":1516239022}`))},
		{name: "a long web token", secret: []byte(jwtLong(8)), other: texts(jwtLong(9)), sectors: []int{0}},
		{name: "Docker's login", secret: []byte(docker("somebody", draw(10, 40, mixed))), other: texts(docker("someone", "x"), `"https://index.docker.io/v1/": {`)},
		{name: "Docker's login, as it writes it", secret: []byte("{\n\t\"auths\": {\n\t\t\"https://index.docker.io/v1/\": {\n\t\t\t\"auth\": \"" + b64([]byte("somebody:"+draw(10, 40, mixed))) + "\"\n\t\t}\n\t}\n}\n"),
			other: texts("{\n\t\"auths\": {\n\t\t\"https://index.docker.io/v1/\": {\n\t\t\t\"auth\": \"c29tZWJvZHk6\"\n\t\t}\n\t}\n}\n")},
		{name: "a database's address", secret: []byte("postgresql+asyncpg://homeassistant:" + draw(11, 24, mixed) + "@localhost:5432/homeassistant?ssl=off"),
			other: texts("postgresql+asyncpg://homeassistant:PASSWORD@localhost:5432/homeassistant?ssl=off", "db_url: postgresql+asyncpg://homeassistant:${PW}@localhost:5432/homeassistant?ssl=off")},
		{name: "a PKCS #12 file", secret: pkcs12(t, 12, 900), other: [][]byte{pkcs12(t, 15, 900), pkcs12(t, 15, 1400)}},
		{name: "a PKCS #12 file in base64", secret: []byte(b64(pkcs12(t, 12, 900))), other: texts(b64(pkcs12(t, 15, 900)), b64(pkcs12(t, 15, 1400)))},
		{name: "a PKCS #12 file in lines of base64", secret: []byte(wrapped(pkcs12(t, 12, 900))), other: texts(wrapped(pkcs12(t, 15, 900)), wrapped(pkcs12(t, 15, 1400)))},
		{name: "an authorized Ed25519 key", secret: []byte(authorized(ed[0].Public(), "me@x")), other: texts(authorized(ed[1].Public(), "root@y"), authorized(ed[0].Public(), "root@y")), allPublic: true},
		{name: "an authorized RSA key", secret: []byte(authorized(&rsaKeys[0].PublicKey, "me@x")), other: texts(authorized(&rsaKeys[1].PublicKey, "me@x"), authorized(&rsaKeys[0].PublicKey, "y")), allPublic: true},
		{name: "hashed known hosts", secret: []byte(knownHosts(20, ed[0].Public()) + knownHosts(22, &rsaKeys[0].PublicKey)), other: texts(knownHosts(24, ed[1].Public()), authorized(&rsaKeys[0].PublicKey, "y")), allPublic: true},
		{name: "an ECDSA key of OpenSSH", secret: openSSH(ec[0], "me@x"), other: texts(authorized(&ec[1].PublicKey, "me@x"), authorized(&ec[0].PublicKey, "me@x"), string(openSSH(ec[1], "me@x"))), sectors: []int{0}},
		{name: "an Ed25519 key of OpenSSH", secret: openSSH(ed[0], "me@x"), other: texts(authorized(ed[1].Public(), "me@x"), authorized(ed[0].Public(), "me@x"), string(openSSH(ed[1], "me@x")))},
		{name: "an RSA key of OpenSSH", secret: openSSH(rsaKeys[0], "me@x"), other: texts(authorized(&rsaKeys[0].PublicKey, "me@x"), string(openSSH(rsaKeys[1], "me@x"))), sectors: []int{0}},
		{name: "an encrypted key of OpenSSH", secret: encrypted, other: [][]byte{otherEncrypted}},
		{name: "an encrypted key in PKCS #8", secret: encrypted8, other: [][]byte{otherEncrypted8}},
		{name: "an RSA key in PKCS #1", secret: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKeys[0])}),
			other: [][]byte{cert, publicPEM(&rsaKeys[0].PublicKey), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKeys[1])})}},
		{name: "an RSA key in PKCS #8", secret: pkcs8(rsaKeys[0]), other: [][]byte{cert, publicPEM(&rsaKeys[0].PublicKey), pkcs8(rsaKeys[1])}},
		{name: "an EC key", secret: sec1(ec[0]), other: [][]byte{sec1(ec[1]), publicPEM(&ec[0].PublicKey)}, publicHalf: true},
		{name: "an EC key in PKCS #8", secret: pkcs8(ec[0]), other: [][]byte{pkcs8(ec[1]), publicPEM(&ec[0].PublicKey)}, publicHalf: true},
		{name: "an EC key with its curve's parameters", secret: ecPEM(explicit), other: [][]byte{ecPEM(otherExplicit)}, publicHalf: true},
		{name: "an Ed25519 key in PKCS #8", secret: pkcs8(ed[0]), other: [][]byte{pkcs8(ed[1]), publicPEM(ed[0].Public())}},
		{name: "a key with certificates", secret: join(pkcs8(rsaKeys[0]), cert, ca), other: [][]byte{cert, ca, join(foreign, ca), pkcs8(rsaKeys[1])}, publicHalf: true, sectors: []int{4, 5, 6, 7}},
		{name: "certificates, then the key", secret: join(cert, ca, pkcs8(rsaKeys[0])), other: [][]byte{cert, ca, join(foreign, ca), pkcs8(rsaKeys[1])}, sectors: []int{0, 1, 2, 3}},
		{name: "certificates alone", secret: join(cert, ca), other: [][]byte{ca, foreign}, allPublic: true},
		{name: "an OpenVPN profile", secret: ovpn(30, ca, cert, pkcs8(rsaKeys[0])), other: [][]byte{ca, cert, ovpn(30, ca, foreign, pkcs8(rsaKeys[1]))[:300]}, sectors: []int{0, 1, 2, 3, 4}},
		{name: "an OpenVPN static key", secret: []byte(static(31)), other: texts(static(32))},
		{name: "a kubeconfig", secret: kubeconfig(1, sec1(ec[0]), foreign, ca), other: [][]byte{kubeconfig(1, sec1(ec[2]), cert, ca), []byte(b64(ca)), ca, sec1(ec[2])}, sectors: []int{0, 1, 2, 3, 4}},
		{name: "a kubeconfig with an RSA key", secret: kubeconfig(1, pkcs8(rsaKeys[0]), cert, ca), other: [][]byte{kubeconfig(2, pkcs8(rsaKeys[1]), foreign, ca), cert}, sectors: []int{0, 1, 2, 3, 4, 5, 6}},
		{name: "a minisign key", secret: []byte(minisign(33)), other: texts(minisign(36))},
		{name: "a WireGuard configuration", secret: []byte(wireguard(40, noise(42, 32))), other: texts(wireguard(41, noise(43, 32)), b64(noise(42, 32))), publicHalf: true},
		{name: "a service account", secret: account(60, pkcs8(rsaKeys[0]), "  "), other: [][]byte{account(61, pkcs8(rsaKeys[1]), "  "), cert, pkcs8(rsaKeys[1])}},
		{name: "a service account in one line", secret: account(60, pkcs8(rsaKeys[0]), ""), other: [][]byte{account(61, pkcs8(rsaKeys[1]), ""), cert, pkcs8(rsaKeys[1])}},
		{name: "a key in a variable", secret: []byte("USER=x\nKEY=\"" + escaped(pkcs8(rsaKeys[0])) + "\"\nTOKEN=" + draw(62, 40, mixed) + "\n"), other: [][]byte{pkcs8(rsaKeys[1]), []byte(escaped(pkcs8(rsaKeys[1])))}},
		{name: "a key in a block of YAML", secret: []byte("key: |\n    " + strings.ReplaceAll(strings.TrimSpace(string(pkcs8(rsaKeys[0]))), "\n", "\n    ") + "\nuser: x\n"), other: [][]byte{pkcs8(rsaKeys[1]), cert}},
		{name: "a password like a comment", secret: []byte("# " + draw(63, 90, mixed)), other: texts("# ")},
		{name: "a password like a frame", secret: []byte(draw(64, 50, mixed) + "-----" + draw(65, 50, mixed)), other: texts("-----BEGIN CERTIFICATE-----")},
		{name: "a long passphrase", secret: []byte("correct horse battery staple " + draw(66, 70, lower+"   ")), other: texts("correct horse battery staple, they say")},
		{name: "a wpa_supplicant configuration", secret: []byte("ctrl_interface=DIR=/run/wpa_supplicant GROUP=netdev\nupdate_config=1\ncountry=DE\nnetwork={\n\tssid=\"home\"\n\tpsk=" + hex.EncodeToString(noise(67, 32)) + "\n\tkey_mgmt=WPA-PSK\n}\n"),
			other: texts("ctrl_interface=DIR=/run/wpa_supplicant GROUP=netdev\nupdate_config=1\ncountry=DE\nnetwork={\n\tssid=\"other\"\n", "\n\tkey_mgmt=WPA-PSK\n}\n")},
		{name: "a password beside a public key", secret: []byte("user: bob\npassword: correct horse battery staple\nhome: /home/bob\nshell: /bin/sh\nkey: " + authorized(ed[0].Public(), "me@x")),
			other: texts(authorized(ed[0].Public(), "me@x"), "user: bob\npassword: x\n", "home: /home/bob\nshell: /bin/sh\n"), publicHalf: true},
		{name: "comments alone", secret: []byte("# the password is correct horse battery\n# staple, and nobody else is to know it\n"), other: texts("# the password is ")},
		{name: "an OpenPGP key", secret: pgpKey, other: [][]byte{pgpPublic, otherPGP}, sectors: []int{0}},
		{name: "a security key's handle", secret: token(90), other: [][]byte{token(95), token(90)[:200]}},
		{name: "an encrypted file of age among lines", secret: []byte("name: somebody\nid: 5\nuser: x\nkey: " + ageFile(100) + "\n"), other: texts(ageFile(110), "id: 5\nuser: x\nkey: "+ageFile(110))},
		{name: "a key with Diffie-Hellman parameters", secret: join(dh, pkcs8(rsaKeys[0])), other: [][]byte{dh}, sectors: []int{0}},
		{name: "a key of PuTTY", secret: []byte(putty), other: texts(putty[:200], wrapped(sshBlob(&rsaKeys[0].PublicKey)), authorized(&rsaKeys[0].PublicKey, "x")), sectors: []int{0}},
		{name: "a certificate in a string", secret: []byte(`{"user":"somebody","certificate":"` + b64(certBlock.Bytes) + `","secret":"` + draw(99, 60, mixed) + `"}`),
			other: texts(b64(certBlock.Bytes)), sectors: []int{0, 1, 2}},
		{name: "random bytes", secret: noise(68, 1400), other: [][]byte{noise(68, 1400)[:100], noise(69, 1400)}},
	}
}

func TestTheKindOfASecretIsNoLeakAndTheSecretIs(t *testing.T) {
	for _, k := range kinds(t) {
		t.Run(k.name, func(t *testing.T) {
			for i, other := range k.other {
				if found := planted(t, k.secret, other); len(found) != 0 {
					t.Errorf("text %d of its kind: found %v", i, found)
				}
			}
			expect := func(name string, piece []byte, want bool) {
				t.Helper()
				if found := planted(t, k.secret, piece); len(found) > 0 != want {
					t.Errorf("%s: found %v, want a leak: %v", name, found, want)
				}
			}
			trimmed := bytes.TrimRight(k.secret, "\r\n")
			expect("whole", trimmed, !k.allPublic)
			expect("its second half", trimmed[len(trimmed)/2:], !k.allPublic && !k.publicHalf)
			for i := range len(trimmed) / 512 {
				if !slices.Contains(k.sectors, i) {
					expect(fmt.Sprintf("sector %d", i), trimmed[i*512:(i+1)*512], !k.allPublic)
				}
			}
		})
	}
}

// A key is found as other programs write it, whatever file the secret is.
func TestAKeyInsideAFileIsFoundBare(t *testing.T) {
	for _, k := range kinds(t) {
		for _, name := range []string{"a service account", "a service account in one line", "a key in a variable", "a key in a block of YAML"} {
			if k.name != name {
				continue
			}
			plain, _ := unquoted(k.secret)
			frames := frame.FindAllIndex(plain, -1)
			if len(frames) != 2 {
				t.Fatalf("%s: %d frames", name, len(frames))
			}
			if found := planted(t, k.secret, plain[frames[0][0]:frames[1][1]]); len(found) != 1 {
				t.Errorf("%s: found %v", name, found)
			}
		}
	}
}

func TestOnlyPrivateNumbersOfAKeyArePrivate(t *testing.T) {
	block, _ := pem.Decode(pemOf(t, "-t", "rsa", "-b", "2048", "-m", "PEM"))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	openSSH, _ := pem.Decode(pemOf(t, "-t", "rsa", "-b", "2048"))
	private := map[string][][]byte{"D": {key.D.Bytes()}, "primes": {key.Primes[0].Bytes(), key.Primes[1].Bytes()}}
	for name, blob := range map[string][]byte{"PKCS #1": block.Bytes, "PKCS #8": pkcs8, "OpenSSH": openSSH.Bytes} {
		parts, known := privateBytes(blob, "")
		if !known || !slices.IsSortedFunc(parts, func(a, b part) int { return a.first - b.first }) {
			t.Fatalf("%s: known: %v, %v", name, known, parts)
		}
		var all []byte
		for _, p := range parts {
			all = append(all, blob[p.first:p.end]...)
		}
		if n := key.N.Bytes(); bytes.Contains(all, n[:64]) || len(all) > 900+64 {
			t.Errorf("%s: what is public is among %d private bytes", name, len(all))
		}
		for what, list := range private {
			for _, number := range list {
				if name != "OpenSSH" && !bytes.Contains(all, number) {
					t.Errorf("%s: %s is not private", name, what)
				}
			}
		}
	}
}

func TestAnEnvironmentsLongValueIsNoLeakOfItsKind(t *testing.T) {
	hook := "https://hooks.slack.com/services/T0" + draw(1, 9, mixed) + "/B0" + draw(2, 9, mixed) + "/" + draw(3, 24, mixed)
	entry := manifest.Entry{Path: "/srv/absent.env", Kind: manifest.File, Secret: true, Role: manifest.Environment, Content: newContent([]byte("HOOK=\"" + hook + "\"\n"))}
	for text, want := range map[string]int{"https://hooks.slack.com/services/T00000000/B00000000/X": 0, hook: 1} {
		if found := plantedFor(t, entry, []byte(text)); len(found) != want {
			t.Errorf("%d bytes: found %v", len(text), found)
		}
	}
}

// Whatever a secret is, what is looked for is of it, and no decoder of keys panics.
func FuzzNeedles(f *testing.F) {
	explicit, _ := explicitEC(f, 51)
	f.Add(explicit)
	f.Add(pkcs12(f, 12, 100))
	f.Add(pemOf(f, "-t", "ecdsa"))
	f.Add([]byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI |1|a=|b= -----BEGIN X-----\\n\\u0041-----END X-----"))
	f.Add(append([]byte("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n"), "lFgEZVPxABYJKwYBBAHaRw8BAQdA\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----\n"...))
	f.Fuzz(func(t *testing.T, secret []byte) {
		privateBytes(secret, "PGP PRIVATE KEY BLOCK")
		privateBytes(secret, "")
		list, _, err := needles([]manifest.Entry{{Path: "/x", Kind: manifest.File, Secret: true, Content: newContent(secret)}})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range list {
			if n.whole == nil {
				continue
			}
			if !bytes.Equal(n.whole[n.at:n.at+len(n.bytes)], n.bytes) || n.room.first > n.at || n.room.end < n.at+len(n.bytes) || n.room.end > len(n.whole) {
				t.Fatalf("a window at %d of %d bytes, with %v around it", n.at, len(n.whole), n.room)
			}
			n.isLeak(bytes.NewReader(secret), int64(len(secret)), int64(max(0, min(n.at, len(secret)-len(n.bytes)))))
		}
	})
}
