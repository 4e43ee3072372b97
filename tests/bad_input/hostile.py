"""Texts that broke something somewhere: queries, templates, shells, headers, terminals, readers of Unicode, of numbers and of JSON."""

import itertools

_CODE = """
'; drop table orders; --|' or '1'='1|" or ""="|1; select pg_sleep(10)|'); delete from outbox where ('1'='1|%' and 1=0 union all select null--
admin'--|' || (select version()) || '|\\'; select 1; --|$1|:name|%s|%(name)s|{0}|{name}|{0.__class__.__mro__}|%n%n%n%n|%x|%00|%0d%0aSet-Cookie: a=b
{{7*7}}|${7*7}|#{7*7}|<%= 7*7 %>|{% raw %}|{{config.items()}}|{{''.__class__.__mro__[1].__subclasses__()}}|[[${7*7}]]|@(7*7)|*{7*7}|${jndi:ldap://a/b}
${${lower:j}ndi:rmi://a}|$(reboot)|`reboot`|; reboot|| reboot|&& reboot|| cat /etc/passwd|$IFS|${PATH}|%PATH%|../../../../etc/passwd|..\\..\\win.ini
/etc/passwd|file:///etc/passwd|C:\\nul|CON|nul.txt|.htaccess|~root|*)(uid=*))(|(uid=*)|*)(&|admin*)((|userPassword=*)|)(cn=*
' or count(/*)=1 or 'a'='b
<script>alert(1)</script>|"><img src=x onerror=alert(1)>|<svg/onload=alert(1)>|javascript:alert(1)|data:text/html,<b>|<!--|]]>|<![CDATA[x]]>|&lt;b&gt;
<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>|<?php phpinfo(); ?>|<iframe src=//a>|" autofocus onfocus=alert(1) a="|';alert(1)//
=cmd|' /C calc'!A0|=1+1|+1+1|-1+1|@SUM(1)|=HYPERLINK("http://a")|null|NULL|nil|None|undefined|NaN|Infinity|-Infinity|true|false|0|-0|-1|1.5|1e400|1e-400
99999999999999999999999999|0x10|0b1|010|1_000|1,000.00|\u0661\u0662\u0663|\u00bd|\u2167|2026-02-31|0001-01-01|9999-12-31T23:59:59Z|24:60|12/31/99
[]|{}|[object Object]|{"$ne": null}|{"$gt": ""}|__proto__|constructor|toString|__class__|\\u0000|\\x00|\\n|\\|"|'|`|''|""|;|,|--|/*|*/|#|%|_|?|&|+
Bcc: all@example.com|a@b.example, c@d.example|"a b"@c.example|a@[127.0.0.1]|a@b@c.example|@|a@|@b.example|a@b..example|a@-b.example|<a@b.example>
http://127.0.0.1/|http://[::1]/|//example.com|http://169.254.169.254/latest|gopher://a|ldap://a|\\\\server\\share|^XA^FO0,0^FDx^FS^XZ|~JA|^FD_5E|\\&
"""
_MARKS = ("\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067"
          "\u2068\u2069\u206a\u206f\ufeff\ufff9\ufffa\ufffb\ufffc\ufffd"
          "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800\U000e0001\U000e0041\U000e007f")  # fmt: skip
_SPACES = "\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_ODD = (
    "\ufdd0\ufdef\ufffe\uffff\U0001fffe\U0010ffff\ue000\U000f0000\ud800\udbff\udc00\udfff\u0130\u0131\u017f\u1e9e\u00df\ufb03\u2126\u212a\u0345\u03c2"
)
NAMES = (
    "O'Brien", "X", "Zoë", "Zoe\u0308", "李", "李小龍", "たなか さくら", "김철수", "محمد", "מרים", "मनीष", "می‌خواهم", "ไทย", "Ω", "Ǆ", "ﬃ",
    "İstanbul", "Straße",
    "👨‍👩‍👧", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇩🇪", "☠️", "👍🏽", "Z̸̡̛͓a̷l̴g̶o̵", "a" + "\u0301" * 60, "ـ" * 50, "﷽",
    "Å", "A\u030a", "\u212b", "ı", "ſ", "раураl", "ａｄｍｉｎ",
)  # fmt: skip
"""Names and signs as people write them."""

_LONG = tuple("x" * length for length in (1, 16, 17, 32, 33, 64, 65, 100, 101, 200, 201, 254, 255, 1_000, 10_000, 60_000))
_BLANK = ("", " ", "  ", "\t", "\n", "\r\n", "\r", "\n\n", " x", "x ", "x\n", "\nx")
_BREAKS = tuple(
    f"Ann{each}{rest}"
    for each in ("\r\n", "\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029", "\r\n\r\n", "%0d%0a", "\x1b[2J", "\x1b]0;t\x07", "\x9b31m")
    for rest in ("Bcc: all@example.com", "Subject: x", '{"level": "error"}', "<script>")
)
_CONTROLS = tuple(chr(number) for number in (*range(0x20), 0x7F, *range(0x80, 0xA0)))


def _all() -> tuple[str, ...]:
    alone = [each for line in _CODE.strip().splitlines() for each in line.split("|") if each]
    marks = [form.format(each) for each in (*_CONTROLS, *_MARKS, *_SPACES, *_ODD) for form in ("{}", "A{}B")]
    return tuple(dict.fromkeys(itertools.chain(alone, NAMES, _LONG, _BLANK, _BREAKS, marks)))


TEXTS = _all()
"""Each once, 500 and more."""
