; Short forms that every part of the hack may use.

!Message    = $7F5030       ; number of the message that is shown next

; Shows a message as soon as the player can read it.
; Leaves A with 8 bits.
macro say(number)
    REP #$20
    LDA.w #<number>
    STA.l !Message
    SEP #$20
endmacro
