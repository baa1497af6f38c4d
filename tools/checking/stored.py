"""Files that were encoded once and never change, in base64: their symbols must come out on every machine.

The pictures and sounds need the weights that they were encoded with; a film carries its own network.
"""

STORED = {
    "image/patch": (
        "01RSUBBIHQtpbWFnZS9wYXRjaAEAOmAY/RATNbgAdloXAAFIcitODES7BQAHAXzeBfXz5jG6YtcvAA0lv3nIGMKDNs//MlB60D0yRLeOURXXVQ"
        "ejHcS5WxqS5qXSgSkZyv6xybDZTfs4kn5FZkV7Zyk0gYJTsSjmMRhvefGVi84ZPAiFedkq5IN/67QHOkB38XaahHMMGbsey1gPJWbvLUhgKcEX"
        "6vanyZL1zeMwSCI69It0YOrQ+Cog+jEXcVwv9dWM8s8NMMPJ4sxOz2t1b2t9yD1KU87JfJXygjO0tnGUW4s4jUXLYR5MN+lsvaX0/7ugemraHD"
        "AZhr/6Fi4YodVf3D0vHoLIDpHTyfRjqFW4ParGA8yVbrUjMxf8pEvGqYJgMnE+RdzcGdzDlsnecrtVNcTHIWkR/MlxLYcWRHz7kKAU91o9YVeK"
        "Zme7mQjzPczxWkU3RjbdWkNwcteIGVRgJdUs/dGV+5ndtybn0RL/bDBQmVC1t+rwj40MNrXdfE8R2dWoQFH5bEE2/qDsmf/49sWObvK4aYyjbv"
        "SSWo7AX33yu4Ba0HWEYxDFj6DywyVQuQRboiuouqI0/owW9SzLgyQLLEXaXeLndoA9ZjyPikWUuxHsVnPcDqTuOUB985e0Mk/gKqGMefaniGHC"
        "zP7GidoT+xbLEgd83QpXuru+HHPHutqYvsrM7O2XQjPgLYwXprSpiUY+KA/3YF9lP4OEB7PeJEleX5PZXwDRFu3FvFY4bM0cUeKZ20A89ClA/j"
        "OF53Pyp5ZpfItVPRQdQj3YEbg1CvsWpJZHxlfN2fer9boF2QLpPfJ1sFcQY2ZJIxs3uko/dXUZXOmNoYUrzEPJyv6qak8/AwtSiAABpnIYwF57"
        "P0yd0timTUCUcJW8lEXA2hD5g/IBess2G8pcigM4iDDd1AHf+31EyM4TReIDdxHuv4asBQlzft6gFVLdVGjjNAtdXoCCY9412OkNAAAAvigqqS"
        "xXjz4="
    ),
    "audio/mdct-rvq": (
        "01RSUBBIKQ5hdWRpby9tZGN0LXJ2cQEA7MYXl28oXL0BgH0BgOIJAAGBfQQQBfQB83kKA0SNBAAHgH0BZE8gKcoyH1KJFhrVzvAPZZZu"
        "QhKJ3LJoyMaRY1CslRtktpPgpqHGgY52BXKioGiPlmHYBEFBHxI/XMCTfBjgAS0GCMB5Vy6kkhlH00tR/uKxu0VHXxUAq3XZKbjD734P"
        "/8HL33MsFC7K1VAST9/bKubq7N5dGq7hZ/W/U43FhVhOTOe6gEiNHtperdo4X/jHLSSgBZtLJb9kEENN5QzYbIxi5bP2SWp16trjcKJe"
        "fWYgHeUasIXxJTaLBWQy+F4wmZxttJt4oPAzdJlIHBlSwhDxLFqT3ZXZxuH/WrGYU3jjR9wxtZ6TcPHyx7/iXpobQRHYE1G9DH7gWuWL"
        "+ccamYe1JKYa0Uxk+Hy0WUWVbVkj/5CJB+Vpq5H/7aeb9K4W2wJl1Nkjj71I3wubgNpqL7hs17rUZqV1bK1YrL2Kh1i2wHeh/DK9upKn"
        "Dg2Rb99ZoB294DPH51RAPdeBiuleuY+Fpf+jG+fvuMurUqeD46Te2pCBN8pOzUxQ/i/yHcb2nDNheO3/4/wnldxHoFY6ZTR8gQm3Mbxm"
        "6pHudSTVgNWMFg33ZBYUytKD0KFfMvOycZ+r4P2+CsGMNxugyLfFqHmYoLmi35T79ikhrusNmaC54lbpqKtRy+OEJrDl5i526qQhSHL1"
        "kvqkhVGc6HCXZHGasoWzY0O/JaHoByjIQk4IAAAA2P4zsGMD8Oo="
    ),
    "video/hnerv": (
        "01RSUBBIKAt2aWRlby9obmVydgEAAAAAAAAAAAACKBgXABkBEAQIAQEDBAYFAQa0t+KKV5wGAAAH+wIk+AAE+wIi+AAE+QIl+AAE"
        "/QAAjl0abjLojsh7ErlSvf8Ob0rpFPXTdGL2ipDWTgpAOOHFDeVnu83byNGgoJcwi28gAGHofKbERQYzzt9t7ZUL5sEDulLCUFGt"
        "zUbkf+jhoYeA4r+KwEDI9V6npcsnZB6otm5u89YhZRpKqMgdTSb//+9X/f//////////7/////////////8tgnh3LyIiIjIzJTJC"
        "ZWZHQ3bLNbdBJYMkMSIWFhERERERERERERER4e////H//+/8/3d57OePj8Ize5iECkfkdZ0xVF4iOYqDowlm1+xUbQHBLroEmbE3"
        "qcI25kwEZWaEHUTvBQWYRe+vgLRZv5uNPTTReNFeD4Pf+d+BMGqVxF2ZB0OGtW6fAP7KUmJ3qth6Wlz9Hekto8VGr0dmJla+nG5C"
        "Nzz2uDB4qx2k3JgZzjHWPAu9L54+KhVMW/zkwUcBWwKQUO6KT4EEm+ZYcfeXs4PTs2DADQgrhZFjOJfl4FfoWvhn824Z5Y33/xvl"
        "vnIo4Q3rkpcNqrj8jj8jtl5ukr5zPfj+IJfNSZay3pj4F9p3SS2l8iYC+F17I3cMRusTna/i/2s2wki/bnCo05Rdc/bq38HmP70z"
        "MPAW8xKoHyqqYhyVzHWqqggYhStlC+DZP9rLe8N5m4Bttou3kyXbexfHsq5+b563ysvULtgCoXMku3t60y0kA3JuNb27yDa5eIjo"
        "ok743gSkVFeIg1nHmB/+z33EfODgyaEPuJEmJA19hXRHyLAEae9PTiHMC4oNEplzIPgS7EJCRRkyjTjsdDyfRoJhxW4+iwqSPxNB"
        "jTVuKrrVM0rD9i0f9ZrbHjg+m+5FHos4suYfCK71Ux4cATBF6dMuvFcCpdDiB/ZHGqzBshaNZCxXaYuEbCSve6Bt5FxazHwcwZLW"
        "9gjnRuMM2zfXJ98gbr2kgbjrkmAMyGixQD8wd60iss+OHlbyR+DqOx9ghC6QgHAVPtD0+pUyiQq4MU62vgw/9wvhQqB9+ylvT4dP"
        "I2/TZDCMn3IuhoxnZXn3HAgmBQAAMJFzqetKvDZEoAIABwMB70SbmKcUjMSH9gfPDsa8vMgcOO6zDYdk9pho1o+PDlT37JT7iA2P"
        "4Mu7hp/8zfIIelUJIHamygukJOzweO/1cpvNXxLLZpWcclu32G0rNIBuAIwJZQtOMHESJ9n6KfbjIg/I+0LBqIW8m79gBAPwtNjN"
        "3Wwhdrr2W8R1R/aLKo7MvQQW7M6U07s8mps2a6fSOQK67D15v4grMsnWOTcnF/15LJ+GeASLBRUGSUmcP9CkKjzdMpIvRMwsNwGI"
        "kwQ0WNmD71vpKoI7Kl0XeItoewiX9YElcIlvMm9rMGoOh7vFtnzaBodxy5peDNxUdii31Jcqt/59ZstolatesmnA0WcRGnziZEVc"
        "gX6k4qqsap55F4tHkuTuDOA5AIi2qo2w"
    ),
}
