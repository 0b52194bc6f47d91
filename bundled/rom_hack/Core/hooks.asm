; Places where the game calls our code.

; Runs our code once a frame, in place of a call that only counted frames.
org $028034
    JSL EveryFrame
    NOP

; The same in the bank that is read faster: opening a menu must not stop the tide.
org $82F9A0
    JSL Tide_Rise

; The hack's own code starts in a bank that was empty.
org $328000

; Calls everything that has to happen once a frame.
; Keeps A, X and Y as they were.
EveryFrame:
{
    PHA : PHX : PHY
    INC !Frame
    LDA !GameMode
    CMP #$09
    BNE .inside
    JSL Tide_Rise
    JSL Lamp_Update
  .inside
    PLY : PLX : PLA
    RTL
}

; Lights every lamp at once, for tests.
; X counts down from the last lamp.
AllOn:
    LDX.b #!AllLamps-1
  - LDA.b #$01
    STA.l Lamp.state,x
    DEX
    BPL -
    LDA.b #!AllLamps
    STA.l !LampCount
    RTL

; Masks that tell which bit of the saved word belongs to which lamp.
LampBits:
    dw $0001, $0002, $0004, $0008
    dw $0010, $0020, $0040, $0080
