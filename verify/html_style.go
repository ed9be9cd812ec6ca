// How the page looks: two sets of colors, patterns so that none of them is needed, and a policy that lets nothing else in.

package verify

import (
	"crypto/sha256"
	"encoding/base64"
)

// pagePolicy forbids scripts, loads, forms and every style but the page's own.
func pagePolicy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
}

// pagePatterns are the textures of the drawings. They are in a drawing of their own that takes no room.
const pagePatterns = `<svg class="defs" width="0" height="0" aria-hidden="true"><defs>
<pattern id="t-gap" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="bg" width="6" height="6"/><path class="ink" d="M-1 7 7-1M-1 1 1-1M5 7 7 5"/></pattern>
<pattern id="t-ub" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="fb" width="4" height="4"/><path class="ink" d="M1 0V4"/></pattern>
<pattern id="t-ui" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="fi" width="4" height="4"/><path class="ink" d="M0 1H4"/></pattern>
<pattern id="t-uj" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="fj" width="6" height="6"/><path class="ink" d="M-1-1 7 7M-1 5 1 7M5-1 7 1"/></pattern>
<pattern id="t-ud" width="5" height="5" patternUnits="userSpaceOnUse"><rect class="fd" width="5" height="5"/><circle class="dot" cx="2.5" cy="2.5" r="1.2"/></pattern>
</defs></svg>
`

const pageStyle = `
:root{color-scheme:light dark;--bg:#fdfdfb;--fg:#1b1d21;--soft:#565b64;--line:#c9ccd1;--card:#f1f2ef;--good:#0b6b2e;--bad:#b00f1d;--warn:#7d4a00;
--goodbg:#e2f3e6;--badbg:#fbe4e4;--warnbg:#fdf0d8;--root:#1d5fa8;--onroot:#fff;--part:#5d6672;--mark:#c2105a;
--us:#22252b;--ub:#8f5fc9;--ui:#d9a4e6;--uj:#e8933a;--ud:#f0d25a;--uf:#3f84d6;--un:#fff;--ink:#1b1d21}
@media (prefers-color-scheme:dark){:root{--bg:#15171b;--fg:#e8e9eb;--soft:#a9afb9;--line:#444a54;--card:#1f2228;--good:#7bdc96;--bad:#ff9a9a;--warn:#f5c374;
--goodbg:#14301d;--badbg:#3b1a1d;--warnbg:#37290f;--root:#2f6db8;--onroot:#fff;--part:#69727f;--mark:#ff76b0;
--us:#eceef2;--ub:#a47be0;--ui:#c78fd6;--uj:#d9822b;--ud:#d8b93a;--uf:#3f84d6;--un:#22262d;--ink:#0b0c0e}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:anywhere}
main{max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;line-height:1.25;margin:.25rem 0 .75rem}
h2{font-size:1.15rem;margin:2rem 0 .5rem;padding-top:.6rem;border-top:1px solid var(--line)}
p{margin:.5rem 0}
code{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.9em}
ul{margin:.5rem 0;padding:0;list-style:none}
.verdict{padding:.75rem 1rem;border-radius:.5rem;border-left:.4rem solid;background:var(--warnbg);color:var(--fg);border-color:var(--warn)}
.verdict strong{text-transform:capitalize;margin-right:.4rem}
.verdict.verified{background:var(--goodbg);border-color:var(--good)}
.verdict.wrong{background:var(--badbg);border-color:var(--bad)}
.sign{font-weight:700}
.verified .sign,.good{color:var(--good)}
.wrong .sign,.error .sign,.error strong,.bad{color:var(--bad)}
.unjudged .sign,.warning .sign,.warning strong{color:var(--warn)}
.findings li{margin:.5rem 0;padding:.5rem .75rem;border-radius:.4rem;border-left:.3rem solid var(--bad);background:var(--card)}
.findings li.warning{border-left-style:double;border-left-color:var(--warn)}
.findings code:first-of-type{color:var(--soft)}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
caption{text-align:left;color:var(--soft);padding:.3rem 0}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line);font-weight:400}
thead th{color:var(--soft);font-size:.85rem}
.n{font-variant-numeric:tabular-nums;white-space:nowrap}
.no,.disk tbody th{font-weight:700}
.files thead th{white-space:nowrap}
.where{display:block;color:var(--soft);font-size:.85rem}
.files td:last-child{min-width:13rem}
details{margin:.75rem 0}
summary{cursor:pointer;padding:.4rem 0}
dl{margin:.5rem 0}
dl div{display:flex;gap:.75rem;padding:.15rem 0}
dt{flex:0 0 6.5rem;color:var(--soft)}
dd{margin:0;min-width:0}
svg{display:block;overflow:visible}
.defs{position:absolute}
.bar{margin:.5rem 0}
.bar rect{stroke:var(--bg);stroke-width:1}
.bar .part{fill:var(--part)}
.bar .root{fill:var(--root)}
.bar .gap{fill:url(#t-gap);stroke:var(--line)}
.bar .mark{fill:var(--mark);stroke:var(--bg)}
.bar text{font-size:13px;text-anchor:middle}
.bar .on{fill:var(--onroot);stroke:#000;stroke-opacity:.45;stroke-width:3;paint-order:stroke}
.bar .label{fill:var(--fg);font-weight:700}
.bar .first{text-anchor:start}
.bar .last{text-anchor:end}
.bg{fill:var(--bg)}.gap{fill:var(--bg)}
.ink{fill:none;stroke:var(--ink);stroke-width:1;stroke-opacity:.55}
#t-gap .ink{stroke:var(--soft)}
.dot{fill:var(--ink);fill-opacity:.6}
.fb{fill:var(--ub)}.fi{fill:var(--ui)}.fj{fill:var(--uj)}.fd{fill:var(--ud)}
.us{fill:var(--us)}.ub{fill:url(#t-ub)}.ui{fill:url(#t-ui)}.uj{fill:url(#t-uj)}.ud{fill:url(#t-ud)}.uf{fill:var(--uf)}.un{fill:var(--un);stroke:var(--line)}
.legend{display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));gap:.2rem 1rem;font-size:.9rem}
.legend li{display:flex;align-items:center;gap:.5rem}
.legend svg{flex:none}
.groups td,.groups th{vertical-align:middle;padding-top:.2rem;padding-bottom:.2rem;font-size:.85rem;line-height:1.3;border:0}
.groups th{width:1%;white-space:nowrap}
.groups td:nth-child(2){width:98%}
.groups td.n,.groups thead th:last-child{width:1%;white-space:nowrap;padding-right:0;text-align:right}
.groups .use{width:98%}
.here{display:block;color:var(--mark);font-weight:600}
@media (max-width:40rem){
.files thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.files,.files tbody{display:block}
.files tr{display:block;position:relative;padding:.5rem 0;border-bottom:1px solid var(--line)}
.files td,.files th{display:block;border:0;padding:.1rem 0 .1rem 1.4rem}
.files .no{position:absolute;padding-left:0}
details .files td,details .files th{padding-left:0}
.files td:last-child::before{content:"Confirmed by";display:block;color:var(--soft);font-size:.85rem}
.files code{font-size:.8em}
.disk th,.disk td{font-size:.9rem}
.disk td:last-child{white-space:normal}
.legend{grid-template-columns:1fr}
}
@media print{:root{color-scheme:light}main{max-width:none;padding:0}tr,li{break-inside:avoid}h2{break-after:avoid}svg{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`
