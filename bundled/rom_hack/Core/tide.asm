; The water in the harbour, which rises and falls.

org $33A000

; Raises the water by one step every 256 frames, and lets it fall again at 15.
; In: nothing. Out: A holds the height.
Tide_Rise:
{
    LDA !Frame
    BNE .same
    LDA.l !Tide
    INC A
    AND.b #$0F
    STA.l !Tide
    STA.l SavedTide
  .same
    LDA.l !Tide
    RTL
}

macro debug(x)
  Hidden: LDA <x>
endmacro

if !DEBUG
; Shows the height of the water as brightness.
Tide_Show:
    LDA.l !Tide
    STA !Bright
    RTL
endif

; How high each quay lies over the ground, from west to east.
QuayHeights:
    db 3, 5, 5, 8, 12
