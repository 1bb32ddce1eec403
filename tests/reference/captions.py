# SPDX-License-Identifier: MIT
"""Captions, and what the DeepFloyd IF pipeline of diffusers makes of them with clean_caption=True.

Run: python -P tests/reference/captions.py (from the root of the tree). Written with diffusers 0.42.1,
beautifulsoup4 4.15.0, ftfy 6.3.1. Writes pairs of lines: the caption, the cleaned one.
"""
import os

from diffusers.pipelines.deepfloyd_if.pipeline_if import IFPipeline

OUT = os.path.join(os.path.dirname(__file__), "..", "golden", "captions.txt")
CAPTIONS = (r"""
a photo of a dog
  An Oil Painting, OF  a Man
a%20rocket+ship
100% cotton shirt
a <person> on a hill
see https://example.com/path?q=1 for it
visit www.example.org/a-b_c/ now
example.net is a site
mail me@example.com today
http:foo bar
a <b>bold</b> man
<a href="x>y">link</a> text
a < b and c > d
a <unclosed tag
before<br/>after
a<!-- hidden -->b
<script>var x = 1;</script>seen
<style>p { a }</style>seen too
fish &amp; chips
fish &amp;amp; chips
&lt;b&gt; is bold
&quot;quoted&quot; text
caf&eacute; au lait
&#65;bc &#x42; c
&#147;windows&#148;
&unknown; entity
rock&roll
a&b
at&t phone
@nickname says hello
hello @name_1, and bye
日本語 text 漢字
㈱ company ㎏ weight
en–dash and em—dash — end
this-is-my-cute-cat-photo
this_is_my_cute_cat
only-two-dashes here-too
“curly” and ‘single’ «guillemets»
`code` and ´acute´ ¨
"""+'"""triple"""'+r"""
server 192.168.10.1 is down
3:45 am
line\nbreak
#1 #123 #1234 #12345 tag
call 1234567 now 12345
image_001.jpg of a cat
photo.png.bak and foo.pngx
wait... what.. no
***sale*** #sale!!
a . b . c
a | b / c \ d
jc6640 and jc6640vc and 6640vc231
abc123 abcd123 a12
worldwide free shipping on all
free shipping, shipping
free download now download free
click for more and click on it
png images and jpg image of pdfs
page 12 of the book
j2d1a2a is odd x1y2z3
size 10x20 cm 3.5x4.5 10х20 10×20
time : now :later
red,green.blue/yellow 3,5 3.5
"enclosed in quotes"
'single enclosed'
,leading comma
trailing colon:
-dash at both-
.hidden
. dot first
größe ÄÖÜ ÉCOLE
ΑΣ ΟΔΟΣ σ
ﬁne ﬂow ﬃ
ＦＵＬＬ width　space
½ cup ¾ spoon ¿qué? ¡sí!
™ and ® and ©
tab	and nbsp  thin
a 🚀 rocket 🚀
it's a dog's life
don’t
x²+y²=z²
a%zzb %41%42
50%+off
<p>one</p><p>two</p>
(round) [square] {curly}
email: a.b@c.co.uk now
a;b;c
end.
1,000,000 dollars
'
""").strip("\n").split("\n")


def main():
    process = IFPipeline._text_preprocessing

    class Cleaner:
        bad_punct_regex = IFPipeline.bad_punct_regex
        _clean_caption = IFPipeline._clean_caption

    with open(OUT, "w") as f:
        for caption in dict.fromkeys(CAPTIONS + [""]):
            cleaned = process(Cleaner(), caption, clean_caption=True)[0]
            assert "\n" not in caption + cleaned
            f.write(caption + "\n" + cleaned + "\n")


main()
