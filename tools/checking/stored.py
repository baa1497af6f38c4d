"""Files that were encoded once and never change, in base64: their symbols must come out on every machine.

The pictures and sounds need the weights that they were encoded with; a film carries its own network.
"""

STORED = {
    "image/patch": (
        "01RSUBBIHQtpbWFnZS9wYXRjaAEAgwO5bXYrV9oAdloXAAE4kRPm2UTLAwAHAaBZPGzbc7SnMAuLzNLG/233xbRx8u4sw8Pil0V9"
        "RxZn/6Hj0WO29hsQN1qF7xZS9Ae7+w9Z/AA6PS4U9MPe32uXO65tugqf8HK9N6MfKfqRQNCWflmeBNv0PF3PTwRolzyI30avzfqv"
        "KEsTXCK470YIkaMXj8v4HSkbwyUVj2x8OFr9XXC8ZLaBBdgDCarYg2ed/zEdofk4GJGTLeWaZAjuEguS6O4GFHl2qUKtbRv8DJA6"
        "wSDqlFi73dz96W4l/g5UyjvbFz8AD5uXLF4wHjOCOczCzOlq1WqbzZ7n//9IZLn/xKDHJsOI9Tlkr7rkMd22Jye8Mnny3Hqs0jQS"
        "kc27ipaqksJwvz7mrYrj7HhuGYQ9cvtJKztJb/eBtkKmKFO1z3dS8JiuVm0AK4CZ+eLMOC9rbVifs8kvg1rWvtM+Wo4RzGpJxHYp"
        "G4U/zZw5wM1JYhwdjMA0Mwv9hceGJ74wuQEgDc40fN0mzV63J2/63Ptxy0po2AhPoCmW/WoAt5iOopy18X5ujmn7HnvW5tQcYAU4"
        "YXdHde7tuDbZYIYWxYmNksVG5TwechEV32F9V97q812hYb493dzACC7ew1M6AwAAEJN+nbda6L8="
    ),
    "audio/mdct-rvq": (
        "01RSUBBIKQ5hdWRpby9tZGN0LXJ2cQEA+Rhzdh0ge8YBgH0BgOIJAAGBfQQQAfQBNsXfwETJBAAHgH0Bwsgmg9clRvpXyPjreDyC6Hqj"
        "nv24WsKb9L2OpQsCv4Xmu0Xvg1cIc1qaLah5kOy+OtpZBjHKdbuR7ODgmYwz35zckx1tPSXhpQrZaytN/uaVBxA9b4MwPwDp/60wgpdB"
        "Ie7gRcp1BXuedBUH/4Qt9pkvx+QRve6dwAsJffj4SRyY6qmewYecxWD04OtOmXmP0QSyxWXG6UFEnMUSaRcWuAN5JNUdQ+Egw7vqZvyn"
        "zsmxKsrIMNcK0qSci9ecYuH4mK7wGWnxqi9yBQEXrHOeFUM0oLjCw6Z6sENcuQoAqxxaAhha3QDOQvlC5QIx3pe+0HgTNscMXbeUhaHX"
        "8e0vPkzwskfSSN+bQnvUxX0Vt96D6lN0rEw2agXYHMwl8SHckdw1pNn7N2vEr4mDsZ5YW4i1sHeiG47BHq4aHSBkLQztgGpy/qh06EFD"
        "5KR+bCPKC8eY/f/H+GDfngqJbI2/VnXF6bIcc+w5CuEFipkgLaLhebzS9F0VdXE3nCV5L5xLiOMGqjc/YFE3zKJUeZWxaP/edAYrjipS"
        "rRF/3OUqGtZ1Xz8wRA64wjfoJUtXXpEY4FBYHsDFh98dQveZJJia6wevYljeCwI6nEM1G+bH5hA3kch8LUnsfLW5kY5zjyGgL3NWZ3kE"
        "0Dfp8TCnwQttztVtDhnqH6jsfLpjuJ6bWC2B8WOnEOTRlO76R/GaXNoLb4JnB9aN5TLu/UYcUt60MElMuGMjTscDay7REOcaXG6s+97e"
        "3oeHSVHq7Kdm9jIBQIGo1MmJan0="
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
