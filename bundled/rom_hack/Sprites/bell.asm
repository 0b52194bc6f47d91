; The bell at the gate, which answers when all lamps burn.

org $34A000

namespace Bell

; Rings the bell once all lamps burn, and tells the player that the gate is open.
; Keeps X; A is lost.
Ring:
    PHX
    LDA.l !LampCount        ; how many lamps burn by now
    CMP.b #!AllLamps
    BCC .quiet
    ; the three notes are played from the last to the first
    LDX.b #$02
  - LDA Notes,x
    STA $2142               ; the sound program reads this port once a frame
    DEX : BPL -
    %say($01C4)
  .quiet
    PLX
    RTL

; The notes of the bell, as the sound program counts them.
Notes:
    db $3C, $40, $43

namespace off
