# __init__.py - makes tests/support a package: put tests/ on sys.path, then `from support import kafka`.
# SPDX-License-Identifier: Apache-2.0
