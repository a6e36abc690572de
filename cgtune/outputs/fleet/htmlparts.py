"""The look and the behaviour of the page of a fleet: that of the other page, a table that sorts by its heads, and a filter."""

from __future__ import annotations

from cgtune.outputs.pageparts import STYLE as PAGE_STYLE

STYLE = (
    PAGE_STYLE
    + """
body{max-width:110rem}#fleet th{position:sticky;top:0;background:var(--back);vertical-align:bottom}
#fleet th button{border:0;background:none;padding:0;color:var(--faint);text-align:left;font-weight:500}
#fleet th[aria-sort] button{color:var(--text)}#fleet th[aria-sort=descending] button::after{content:" \\25be"}
#fleet th[aria-sort=ascending] button::after{content:" \\25b4"}#fleet tr:first-child td{border-bottom:0;padding-top:.5rem}
#fleet td{white-space:nowrap}#fleet .more td{white-space:normal;font-family:inherit;font-size:.86rem;padding-bottom:.5rem}
#fleet .more summary{color:var(--faint);cursor:pointer}#fleet .inside{max-width:62rem;padding-bottom:.6rem}
.plot .line,.plot .level{fill:none;stroke:var(--live);stroke-width:1.6;stroke-linecap:round;vector-effect:non-scaling-stroke}
.plot .level{stroke:var(--mark);stroke-dasharray:5 4}
input{font:inherit;padding:.2rem .5rem;border:1px solid var(--line);border-radius:.35rem;background:var(--card);color:var(--text)}
"""
)

SCRIPT = """
(function(){
 var table=document.getElementById("fleet");if(!table)return;
 function value(body,index){return body.rows[0].cells[index].dataset.value}
 table.tHead.addEventListener("click",function(event){
  var button=event.target.closest("button[data-sort]");if(!button)return;
  var index=Number(button.dataset.sort),isNumber="number" in button.dataset,head=button.parentNode;
  var was=head.getAttribute("aria-sort"),way=was?(was==="ascending"?"descending":"ascending"):isNumber?"descending":"ascending";
  table.tHead.querySelectorAll("th").forEach(function(each){each.removeAttribute("aria-sort")});
  head.setAttribute("aria-sort",way);
  var bodies=Array.from(table.tBodies);
  bodies.sort(function(one,other){
   var a=value(one,index),b=value(other,index);
   if(a===""||b==="")return a===b?0:a===""?1:-1;
   var order=isNumber?Number(a)-Number(b):a.localeCompare(b,"en",{numeric:true});
   return way==="ascending"?order:-order
  });
  bodies.forEach(function(each){table.appendChild(each)})
 });
 var only=document.getElementById("only"),shown=document.getElementById("shown");
 only.addEventListener("input",function(){
  var wanted=only.value.toLowerCase().split(" "),count=0;
  Array.from(table.tBodies).forEach(function(each){
   var text=each.textContent.toLowerCase();
   each.hidden=!wanted.every(function(word){return text.includes(word)});count+=!each.hidden
  });
  shown.textContent=only.value?count+" of "+table.tBodies.length:""
 })
})();
"""
