; The lamplighter, who walks from lamp to lamp.

org $338000

; Counts the lamplighter's timer down, and sends him on when it has run out.
; Out: carry set when he has moved.
Lamp_Update:
{
    LDA.l !LampTimer
    BEQ .move
    DEC A
    STA.l !LampTimer
    CLC
    RTL
  .move
    JSR Lamp_Next
    LDA.b #$40
    STA.l !LampTimer
    SEC
    RTL
}

; Finds the next lamp that is dark, and lights it.
; X: the lamp to start with. Ends with X at the lamp that was lit.
Lamp_Next:
{
  .next
    INX
    LDA.l Lamp.state,x
    BNE .next
    LDA.b #$01
    STA.l Lamp.state,x
    LDA.l !LampCount
    INC A
    STA.l !LampCount
    CMP.b #!AllLamps
    BNE .done
    JSR Lamp_Save
  .done
    RTS
}

; Writes how many lamps burn to the save file, so that they still burn after a reset.
Lamp_Save:
    LDA.l !LampCount
    STA.l !SavedLamps
    RTS

Lamp_Unused:
    NOP
    RTS
