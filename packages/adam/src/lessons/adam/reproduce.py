"""x"""

CLAIMS = []
