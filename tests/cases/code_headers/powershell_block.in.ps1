<#
Copyright (c) 2019 Deck Corp. All rights reserved.
Licensed under the MIT License.
#>
param([string]$Ship)
