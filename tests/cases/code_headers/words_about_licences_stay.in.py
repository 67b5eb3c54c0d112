# It reads the license file of each package.
# Checks whether permission is granted to read it.
print(1)
