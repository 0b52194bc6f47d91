; Memory that the hack uses.

; ---------------------------------------------------------
; Work RAM
; ---------------------------------------------------------
!Zero       = $7E0000
!PlayerX    = !Zero+$22     ; where the player stands, pixels from the left
!PlayerY    = !Zero+$20     ; where the player stands, pixels from the top
!Frame      = $1A           ; counts up by one in every frame
!GameMode   = $10           ; 7 in a house, 9 outside, $0E while a menu is open
!Button     = $F4           ; buttons that were pressed in this frame

; Free work RAM that no code of the game touches
!Free       = $7F5000
!LampCount  = !Free+2*8     ; how many lamps burn
!LampTimer  := !Free+(2*9)  ; frames until the lamplighter moves on
!Tide       #= $7F5000+($40>>1) ; height of the water, 0 to 15

; Numbers that are no addresses
!AllLamps   = 12
!LowTide    = 3

; ---------------------------------------------------------
; Saved RAM
; ---------------------------------------------------------
!Save       = $700000
!SaveSize   = $500
!Slot       = 2
!SavedLamps = !Save+!SaveSize*!Slot+$3C ; lamps that burn, one bit each
SavedTide   = !SavedLamps+2 ; height of the water when the game was saved

; Registers
!Bright     = $2100         ; brightness of the screen, bit 7 turns it off
!Buttons    = $4218         ; state of the first controller

; One entry for each of sixteen sprites
struct Lamp $7F5100
  .x:     skip 2*16  ; where the lamp hangs, from the left
  .y:     skip 2*16  ; where the lamp hangs, from the top
  .oil:   skip 16    ; how much oil is left in the lamp
  .state: skip 16    ; 0 dark, 1 burning, 2 going out
endstruct
