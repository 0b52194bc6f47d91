; Lanterns of Marrow: a hack in which the lamps of a harbour town have to be lit again.
; Assemble with: asar main.asm game.sfc
lorom

incsrc "Core/ram.asm"
incsrc "Core/macros.asm"
incsrc "Core/hooks.asm"
incsrc "Sprites/lamplighter.asm"
incsrc "Core/tide.asm"
incsrc "Sprites/bell.asm"

; Two bytes of the header tell that the cartridge saves to a battery.
org $00FFD6
    db $02
    db $0A
