"""The look and the behaviour of the page: its style, and its script, which does no more than copy, refresh and keep open what is open.

Both are part of the page itself, which works without a network. Its Content-Security-Policy names them by their hashes and allows nothing
else, so no text of a process can become either.
"""

from __future__ import annotations

from cgtune.outputs.escape import escape_markup

try:
    from _sha256 import sha256  # type: ignore[import-not-found]  # of Python 3.11: hashlib loads OpenSSL for the same, 4 MiB of a service
except ImportError:
    from hashlib import sha256

STYLE = """
:root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--text:#1d2430;--faint:#5d6878;--line:#d9dee6;--now:#b3261e;--now-back:#fdecea;
--was:#8a5a00;--was-back:#fff4dc;--may:#2f5d9b;--may-back:#e8f0fb;--fine:#2c7a4b;--fine-back:#e5f4eb;--live:#1f6f8b;--go:#7fb9cb;
--other:#a26bb8;--cache:#c3cad5;--mark:#d9480f}
@media (prefers-color-scheme:dark){:root{--back:#13161b;--card:#1c2128;--text:#e4e8ee;--faint:#9aa5b4;--line:#323a45;--now:#ff8a80;
--now-back:#3b1d1c;--was:#f2c063;--was-back:#382c14;--may:#8fb8f0;--may-back:#1b2a40;--fine:#7fd3a0;--fine-back:#16301f;--live:#4fb3d0;
--go:#2f6677;--other:#b98acb;--cache:#4a5462;--mark:#ff9d66}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1.2rem;background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif}
header h1{margin:0;font-size:1.25rem}header p{margin:.15rem 0;color:var(--faint);overflow-wrap:anywhere}
a{color:var(--may)}code,pre,td,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.86rem}
.state{font-size:1.05rem;color:var(--text);font-weight:600;margin-top:.7rem}
.problem{padding:.5rem .8rem;border-radius:.4rem;background:var(--now-back);color:var(--now)}
details.process{background:var(--card);border:1px solid var(--line);border-radius:.5rem;margin:.7rem 0}
details.process>summary{padding:.7rem .9rem .7rem 2rem;cursor:pointer;list-style:none;position:relative}
details.process>summary::-webkit-details-marker{display:none}details.process>summary::before{content:"\\25b8";position:absolute;left:.9rem;
color:var(--faint)}details.process[open]>summary::before{content:"\\25be"}
summary:focus-visible,button:focus-visible,a:focus-visible{outline:2px solid var(--may);outline-offset:2px;border-radius:.3rem}
summary .name{font-weight:600;overflow-wrap:anywhere}summary .first{display:block;color:var(--faint);overflow-wrap:anywhere}
summary .end{color:var(--text)}
.inside{padding:0 1.1rem 1rem}
.badge{display:inline-block;padding:0 .5rem;margin-right:.45rem;border-radius:.9rem;font-size:.8rem;font-weight:600;white-space:nowrap}
.now{background:var(--now-back);color:var(--now)}.earlier{background:var(--was-back);color:var(--was)}
.possible{background:var(--may-back);color:var(--may)}.fine{background:var(--fine-back);color:var(--fine)}
h3{margin:1.1rem 0 .35rem;font-size:.95rem}
table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:500;color:var(--faint);font-size:.84rem}
th,td{padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
.scroll{overflow-x:auto}
svg{display:block;width:100%}.bar{height:1.7rem;border-radius:.3rem;background:var(--line)}
.live{fill:var(--live);background:var(--live)}.go{fill:var(--go);background:var(--go)}.other{fill:var(--other);background:var(--other)}
.cache{fill:var(--cache);background:var(--cache)}.mark{stroke:var(--mark);stroke-width:4;background:var(--mark)}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.35rem 0;padding:0;list-style:none;font-size:.86rem}
.legend i{display:inline-block;width:.75rem;height:.75rem;border-radius:.2rem;margin-right:.4rem}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:.7rem}
figure{margin:0}figcaption{font-size:.84rem;color:var(--faint)}.plot{height:4.2rem;border-bottom:1px solid var(--line)}
.plot polyline{fill:none;stroke:var(--live);stroke-width:1.6;vector-effect:non-scaling-stroke}
.plot .dot{stroke:var(--live);stroke-width:6;stroke-linecap:round;
vector-effect:non-scaling-stroke}
.finding{border-left:4px solid var(--line);padding:.1rem 0 .1rem .8rem;margin:.6rem 0}.finding.f-now{border-color:var(--now)}
.finding.f-earlier{border-color:var(--was)}.finding.f-possible{border-color:var(--may)}.finding p{margin:.2rem 0}
.finding ul{margin:.2rem 0;padding-left:1.1rem;color:var(--faint);overflow-wrap:anywhere}.finding .do{color:var(--text)}
.copy{display:flex;gap:.6rem;align-items:flex-start}.copy pre{flex:1;margin:0;padding:.5rem .7rem;background:var(--back);
border:1px solid var(--line);border-radius:.35rem;overflow-x:auto}
button{font:inherit;font-size:.85rem;padding:.3rem .7rem;border:1px solid var(--line);border-radius:.35rem;background:var(--card);
color:var(--text);cursor:pointer}
.notes{color:var(--faint);overflow-wrap:anywhere;padding-left:1.1rem;margin:.3rem 0}
footer{color:var(--faint);font-size:.84rem;margin-top:1.2rem}
@media print{button{display:none}body{max-width:none}}
"""

SCRIPT = """
document.addEventListener("click",function(event){
 var button=event.target.closest("button[data-copy]");if(!button)return;
 var text=document.getElementById(button.dataset.copy);if(!text)return;
 function said(word){var before=button.textContent;button.textContent=word;setTimeout(function(){button.textContent=before},1500)}
 function select(){var range=document.createRange();range.selectNodeContents(text);var chosen=getSelection();chosen.removeAllRanges();
  chosen.addRange(range);said("selected")}
 if(navigator.clipboard)navigator.clipboard.writeText(text.textContent).then(function(){said("copied")},select);else select();
});
(function(){
 var every=Number(document.body.dataset.refresh);if(!every)return;
 function refresh(){
  if(document.hidden||String(getSelection())){setTimeout(refresh,every*1000);return}
  var soon={cache:"no-store",signal:AbortSignal.timeout(10000)};
  fetch(location.pathname,soon).then(function(answer){if(!answer.ok)throw 0;return answer.text()}).then(function(text){
   var fresh=new DOMParser().parseFromString(text,"text/html").querySelector("main"),now=document.querySelector("main");if(!fresh)throw 0;
   fresh.querySelectorAll("details").forEach(function(each){var old=document.getElementById(each.id);if(old)each.open=old.open});
   var focus=document.activeElement&&document.activeElement.closest("[id]"),id=focus&&now.contains(focus)?focus.id:null;
   now.replaceWith(document.importNode(fresh,true));
   if(id){var back=document.getElementById(id);if(back)(back.querySelector("summary")||back).focus({preventScroll:true})}
   lost(false)
  }).catch(function(){lost(true)}).finally(function(){setTimeout(refresh,every*1000)})
 }
 function lost(is){var line=document.getElementById("lost");line.hidden=!is}
 setTimeout(refresh,every*1000)
})();
"""


def write_page(title: str, body: str, style: str, script: str, *, head: str = "", refresh: str = "", above: str = "") -> str:
    """The whole file. ``head`` and ``above`` are markup for the head and before the main part, ``refresh`` attributes of the body."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{page_policy(style, script)}">\n'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">\n<meta name="referrer" content="no-referrer">\n{head}'
        f"<title>{escape_markup(title)}</title>\n<style>{style}</style>\n</head>\n"
        f"<body{refresh}>\n{above}<main>\n{body}</main>\n"
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def page_policy(style: str, script: str) -> str:
    """A Content-Security-Policy: the page's own style and script by their hashes, itself to fetch, nothing else."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    from base64 import b64encode

    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
