@echo off
REM Copyright 2005 Knut Lie
REM Licensed under the MIT License

cd boat
