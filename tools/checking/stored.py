"""Files that were encoded once and never change, in base64: their symbols must come out on every machine.

The pictures and sounds need the weights that they were encoded with; a film carries its own network.
"""

STORED = {
    "image/patch": (
        "01RSUBBIHQtpbWFnZS9wYXRjaAEArn9f0d2xd9cAdloXAAFI+IoLX0S/BQAHAQAABEEYihaQEe5Eu57oSE3rCD3gx2b5z7vaAMQRb5BEtxt7av"
        "GMQu0W6A+ezKmvLUnz/Akluw76YxVTSXX4OC1ig/95Suprf9qZPbonu10DotOZ6xRkMamSPf7amq8fBQeS3h8kKwP7aVeYqq9x1CSoIhPfKlTI"
        "GHdnXlCfL/a8sHBSHkcE8UeU/xd9zsUcHVe97gnT69r9FHSqpRc3g/f50wRBGS8/cXhaCuu1D0rDrBmVRMYHw4Q81ank2D9viffZZ8KGbi/kh9"
        "Qq4yX5Y6mFB02SJXH4dc6sWTKA2cF6kenGtoV3nSwnt1tqf01x/L8WPxk1pQzTXvqe5kdauOBfxCY3Oz4BcF/3EAj/w+FsKHgzm3Qom+NPTp9l"
        "skDBOEkhMG0JK1hFvma5OgGLaNQRyIAL5teO1iQkPnUc/g1e9V1Sj14XjbmXkDHraVbGzp2NMzhv9fnKfNW9WSMzZstHBiprgvU1UPnzNEDq6R"
        "SrEQh2xqGy/yKBGzfLBPOQbX7f7Tf7qowlMpT8hxhH2IpxD1p2NmntYnHqFjr3z7D9XQ0BOXVFfeqYcRM+THnIr9QXWFZfmFYPBtb02Gxyd0YX"
        "W71/QcB1kqJUQomtQEQdhu75oyD6yud1zGUatGzLZRgYB18NeZzddjn+nfEQGrkE6H7DNOyTMTXhI6bTwGujeQcniTEAuo4HYbTVtxLSdP32Ds"
        "bw+F387WSgvW33TpOkov3ZjmWgTQgoWlTvH91f7JP/qDBY/17GBFfJ13kKig2BNFAahVibsEFTaSm4Ib1if2MN+2jTedKFQdTO7vg93Ctnv5J4"
        "bkOQxaSIQ3DhbycIsB7i7j5+bOr/ct0+AvwCnfUMC5CmBi/yhF9HzYCSIzYAik6PA48kMfnA+kL+xAqBEo3Kllq87MsKySLgiV+Mjd2qBQAAAP"
        "tSJ6OoZrYr"
    ),
    "audio/mdct-rvq": (
        "01RSUBBIKQ5hdWRpby9tZGN0LXJ2cQEAq0DLe6rZ9PMBgH0BgOIJAAGBfQQYBfQBDh2jIEThBQAHgH0BAAl9Y1GFRwYgjpVOmx7Syuaa"
        "RoZmmziUuys+LVNoqykrCyEbwpGoIfqhd1L0v/QeR8F0QWB57LPtc433Mk2VPBZR4aGVuVe7gH1GfPShI0Ni4tF1j4GTsZLpyLhZZQun"
        "DF9rPFFkm7bs6sWqWtrGA/gltOk6p9IJzZEd7crkqY+W1JnTOI2y5o3bVRSxpRS4a2okWBQmgu1A1YVhd3BXpY4aUApZmtaXjsjnHuFi"
        "VyVZ2aHnvD6kDsexL5rYEQx+AifHlPdHt+Y9ZqZKaa/vKSh9pkMMGS8WpIhHfJsAHKXsXIRM1i7enL3B9gC8ChYuoVQ8sScddjA9ISap"
        "pvedgP1plQ1dbliqPXhUHMUtON8RAiQXEU0wMVTepPzgc8MMNN8lRamzY8JdX0YmBR2yFJLTBQWkbYsxTmUJjhtmvbgMl8vAnaVwH3WO"
        "MYtvhZyQnr29m393+eCpdfc1bC+1VjLfWt5zyIsVpiy2d+OR9I2zgRbbzGOZ/b22fH8YMRkplLFjRxIA72Tts23A1AbKWjNEcJamdOfy"
        "ttioYnRXrDxC36OYBtsgJihqP4IEcDf7sKO+rA/D4lx+Mis2BsNnOr+qtvxqZtLxqdW4FwpjTPeANmGgu7TX5/eAx+japUtJSp46Vf8d"
        "dzuqJtJt3SGBLxMHnV4XJZb0eGjYeS5uGCSMYDe6lJxhttgD73+VIMA492qO4O2q56mxveekEqapdQfNb859aJlhHw+iMdvFiLuULU+9"
        "igbn6IpsZ0z57r+hC68sHZFbSGlCkTWzdGvoIbk0UrdBjMMNIObY9ihS5QrhhPV9QqsHhoAawmzZQ6P5iH+iYLC0DkvFzZ6ItV1lUMQ8"
        "G/U5707duWui3UpSANA+CZ2D7cDf47lz2b5QkFKqB1VCm3B8L1YBrxNX5blxH89zlf+1XnV317um/+SFPQA9JaBUKIU1EhW26sx7pasr"
        "yQk9s2AGQgO1GY5W+TOnAw=="
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
