{-# LANGUAGE LambdaCase #-}
{-
Copyright 2012 Ivar Nes
{- an inner comment -}
License: BSD3
-}
module Tide where
